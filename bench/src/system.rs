//! The system under test: a stack of its own, durable, and gone afterwards.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::Instant;
use tokio_postgres::Client;
use weir_stack::{Channel, Report, Service, Stack, StackOptions};

use crate::http;
use crate::process::Processes;
use crate::screen;

/// What is in the outbox is relayed within milliseconds, and after an outage within seconds.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(120);
/// Often enough to stop the clock in time, seldom enough not to be measured itself.
const DRAIN_POLL: Duration = Duration::from_millis(10);
/// Background work of the services beside the outbox ends within this time after an answer:
/// settling, samples.
const QUIET: Duration = Duration::from_millis(300);
/// PostgreSQL's sessions tell what they counted within ten seconds.
const STATISTICS_DELAY: Duration = Duration::from_secs(11);
/// The end of a log that is shown when a run fails.
const LOG_LINES: usize = 15;

/// The settings that every quoted figure depends on.
const SETTINGS: [&str; 8] = [
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "shared_buffers",
    "max_wal_size",
    "autovacuum",
];

/// A running stack, and a superuser's connection to its PostgreSQL.
pub struct System {
    stack: Stack,
    pub admin: Client,
    pub edge: SocketAddr,
    pub processes: Processes,
    has_statement_statistics: bool,
    checkpoints: bool,
}

impl System {
    /// Starts a stack; `binaries` is where the services' programs are, else beside our own, and
    /// `replicas` how many processes each of them has.
    ///
    /// Without `checkpoints` there are none: the first touch of a page after a checkpoint logs
    /// all of it. In life a large table pays that once for many events; a turn that is short
    /// for the table would pay it with nearly each.
    ///
    /// # Errors
    /// What is missing or does not start.
    pub async fn start(
        binaries: Option<PathBuf>,
        checkpoints: bool,
        replicas: NonZeroU16,
    ) -> Result<Self> {
        let mut options = StackOptions::temporary().replicas(replicas);
        options.binaries = binaries;
        options.log = Some("warn".into());
        if !checkpoints {
            let rare = ["max_wal_size=64GB", "checkpoint_timeout=1d"];
            options.postgres_settings = rare.map(str::to_owned).to_vec();
        }
        options.reporter = Arc::new(|report| {
            if let Report::Crashed(name, code, log) = report {
                screen::progress(format!("{name} ended with {code}:\n{log}"));
            }
        });
        let stack = Stack::start(options).await?;
        let admin = weir_servers::postgres::connect(stack.postgres_url()).await?;
        let edge = stack.edge_url();
        let edge = edge.trim_start_matches("http://").parse()?;
        let extension = "SELECT FROM pg_extension WHERE extname = 'pg_stat_statements'";
        let has_statement_statistics = admin.query_opt(extension, &[]).await?.is_some();
        Ok(Self {
            processes: processes(&stack)?,
            stack,
            admin,
            edge,
            has_statement_statistics,
            checkpoints,
        })
    }

    /// A connection to a service, as an administrator.
    pub fn channel(&self, service: Service) -> Channel {
        self.stack.channel(service)
    }

    /// A connection to a service, as one of our own.
    pub fn service_channel(&self, service: Service) -> Channel {
        self.stack.service_channel(service)
    }

    /// Where the console is.
    pub fn console_url(&self) -> String {
        self.stack.console_url()
    }

    /// The administrator's.
    pub fn token(&self) -> &str {
        self.stack.token()
    }

    /// Connection URL of PostgreSQL's superuser.
    pub fn postgres_url(&self) -> &str {
        self.stack.postgres_url()
    }

    /// Connection URL of Redis.
    pub fn redis_url(&self) -> &str {
        self.stack.redis_url()
    }

    /// Calls that each process of a service answered so far; of the edge requests.
    ///
    /// # Errors
    /// One does not tell its metrics.
    pub async fn calls(&self, service: Service) -> Result<Vec<f64>> {
        let metric = match service {
            Service::Edge => "edge_requests_total",
            _ => "rpc_server_duration_seconds_count",
        };
        let mut calls = Vec::new();
        for (instance, listens) in self.stack.instances(service) {
            let metrics = http::get(&listens.metrics).await;
            let metrics = metrics.with_context(|| format!("the metrics of {}", instance.name()))?;
            calls.push(sum(&metrics, metric));
        }
        Ok(calls)
    }

    /// PostgreSQL's settings as it says them itself.
    ///
    /// # Errors
    /// A statement fails.
    pub async fn settings(&self) -> Result<BTreeMap<String, String>> {
        let mut settings = BTreeMap::new();
        for name in SETTINGS {
            let row = self
                .admin
                .query_one("SELECT current_setting($1)", &[&name])
                .await?;
            settings.insert(name.to_owned(), row.get(0));
        }
        Ok(settings)
    }

    /// Waits until every link is in activity's projection.
    ///
    /// # Errors
    /// It is not within two minutes.
    pub async fn drained(&self) -> Result<()> {
        let started = Instant::now();
        let waiting = self
            .admin
            .prepare("SELECT EXISTS (SELECT FROM contact.outbox)")
            .await?;
        while self.admin.query_one(&waiting, &[]).await?.get(0) {
            if started.elapsed() > DRAIN_TIMEOUT {
                bail!("the outbox did not drain in {DRAIN_TIMEOUT:?}");
            }
            tokio::time::sleep(DRAIN_POLL).await;
        }
        Ok(())
    }

    /// Gives work off the response path the time to end, so that its CPU time is counted.
    pub async fn quiet(&self) {
        tokio::time::sleep(QUIET).await;
    }

    /// What would happen sooner or later, now: the planner learns how large tables are, and
    /// what loading left dirty is written. From here to the end of the measurement there is
    /// no checkpoint unless it is due: after one, every page is logged whole when it is first
    /// touched, which short turns would pay far more often than life does. Tables without
    /// rows are left alone, as autovacuum leaves them.
    ///
    /// # Errors
    /// A statement fails.
    pub async fn settle(&self) -> Result<()> {
        let used = "SELECT format('%I.%I', schemaname, relname) FROM pg_stat_user_tables
             WHERE n_live_tup > 0";
        for row in self.admin.query(used, &[]).await? {
            let table: String = row.get(0);
            let vacuum = format!("VACUUM ANALYZE {table}");
            self.admin.batch_execute(&vacuum).await?;
        }
        if self.checkpoints {
            self.admin.batch_execute("CHECKPOINT").await?;
        }
        Ok(())
    }

    /// Bytes written to the log since `from`.
    ///
    /// # Errors
    /// A statement fails.
    pub async fn wal_bytes(&self) -> Result<i64> {
        let sql = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint";
        Ok(self.admin.query_one(sql, &[]).await?.get(0))
    }

    /// Transactions that waited for each other in a circle, since the start. A session that is
    /// idle tells its own only after a while.
    ///
    /// # Errors
    /// A statement fails.
    pub async fn deadlocks(&self) -> Result<i64> {
        tokio::time::sleep(STATISTICS_DELAY).await;
        let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        Ok(self.admin.query_one(sql, &[]).await?.get(0))
    }

    /// Forgets the statements that ran so far.
    ///
    /// # Errors
    /// A statement fails.
    pub async fn forget_statements(&self) -> Result<()> {
        if self.has_statement_statistics {
            let sql = "SELECT pg_stat_statements_reset()";
            self.admin.query_one(sql, &[]).await?;
        }
        Ok(())
    }

    /// The statements that took the longest since then.
    ///
    /// # Errors
    /// A statement fails.
    pub async fn statements(&self) -> Result<Vec<StatementTime>> {
        if !self.has_statement_statistics {
            return Ok(Vec::new());
        }
        let rows = self
            .admin
            .query(
                "SELECT r.rolname::text, left(regexp_replace(s.query, '\\s+', ' ', 'g'), 200),
                     s.calls, s.total_exec_time, s.rows, s.wal_bytes::bigint
                 FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
                 ORDER BY s.total_exec_time DESC LIMIT 12",
                &[],
            )
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| StatementTime {
                role: row.get(0),
                text: row.get(1),
                calls: row.get(2),
                millis: row.get(3),
                rows: row.get(4),
                wal_bytes: row.get(5),
            })
            .collect())
    }

    /// What a soak keeps an eye on.
    ///
    /// # Errors
    /// A statement fails.
    pub async fn state(&self) -> Result<State> {
        let connections = "SELECT usename::text, count(*) FROM pg_stat_activity
             WHERE usename LIKE 'weir\\_%' GROUP BY 1";
        // Partitions count as the tables they are.
        let dead = "SELECT schemaname || '.' || relname, n_dead_tup, n_live_tup
             FROM pg_stat_user_tables WHERE n_live_tup + n_dead_tup > $1";
        let size = "SELECT (SELECT count(*) FROM contact.outbox),
                 pg_database_size(current_database())";
        let (connections, dead, size) = tokio::try_join!(
            self.admin.query(connections, &[]),
            self.admin.query(dead, &[&LARGE_TABLE]),
            self.admin.query_one(size, &[])
        )?;
        Ok(State {
            connections: connections
                .iter()
                .map(|row| (row.get(0), row.get::<_, i64>(1) as f64))
                .collect(),
            dead: dead
                .iter()
                .map(|row| {
                    let (dead, live): (i64, i64) = (row.get(1), row.get(2));
                    (row.get(0), dead as f64 / (dead + live) as f64)
                })
                .collect(),
            outbox_rows: size.get::<_, i64>(0) as f64,
            database_bytes: size.get::<_, i64>(1) as f64,
        })
    }

    /// Shows the ends of all logs that have something in them.
    pub fn show_logs(&self) {
        for name in self.stack.names() {
            let lines = weir_servers::child::last_lines(&self.stack.log(name), LOG_LINES);
            if !lines.is_empty() {
                screen::progress(format!("---- {name} said:\n{lines}"));
            }
        }
    }

    /// Stops everything.
    pub async fn stop(self) {
        drop(self.admin);
        self.stack.stop().await;
    }
}

/// PostgreSQL's state at one moment.
pub struct State {
    /// By role.
    pub connections: BTreeMap<String, f64>,
    /// Dead rows of large tables as a share of all their rows.
    pub dead: BTreeMap<String, f64>,
    pub outbox_rows: f64,
    pub database_bytes: f64,
}

/// Below this many rows, dead ones are no burden, and autovacuum waits.
const LARGE_TABLE: i64 = 10_000;

/// How long a statement took in all.
#[derive(Debug, Clone, serde::Serialize)]
pub struct StatementTime {
    pub role: String,
    pub text: String,
    pub calls: i64,
    pub millis: f64,
    pub rows: i64,
    pub wal_bytes: i64,
}

/// The values of a metric in Prometheus' text, over all its labels.
fn sum(metrics: &str, metric: &str) -> f64 {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(metric)?;
        let is_whole_name = rest.starts_with(['{', ' ']);
        let (_, value) = rest.rsplit_once(' ').filter(|_| is_whole_name)?;
        value.parse::<f64>().ok()
    });
    values.sum()
}

fn processes(stack: &Stack) -> Result<Processes> {
    let pid = |name: &str| {
        stack
            .pid(name)?
            .with_context(|| format!("{name} does not run"))
    };
    let mut services = Vec::new();
    for service in Service::ALL {
        for (instance, _) in stack.instances(service) {
            services.push((service.name().to_owned(), pid(&instance.name())?));
        }
    }
    Ok(Processes {
        services,
        postgres: pid("postgres")?,
        redis: pid("redis")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels() {
        let metrics = "# TYPE calls_count counter\n\
                       calls_count{method=\"Put Contacts\"} 3\n\
                       calls_count{method=\"Read\"} 4\n\
                       calls_count_total 9\n\
                       other 5\n";
        assert_eq!(sum(metrics, "calls_count"), 7.0);
        assert_eq!(sum(metrics, "other"), 5.0);
        assert_eq!(sum(metrics, "none"), 0.0);
    }
}
