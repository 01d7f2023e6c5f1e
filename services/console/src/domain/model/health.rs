//! What services and their replicas say of themselves.

use std::time::Duration;

use crate::domain::Time;

/// One service, with all its replicas that are known.
#[derive(Debug, Clone)]
pub struct ServiceHealth {
    pub name: &'static str,
    /// What is missing where it is away.
    pub what: &'static str,
    pub replicas: Vec<ReplicaHealth>,
}

#[derive(Debug, Clone)]
pub struct ReplicaHealth {
    pub address: String,
    pub serves: bool,
    pub took: Duration,
    pub described: Described,
}

/// What a replica says of itself, if it does.
#[derive(Debug, Clone)]
pub enum Described {
    So(Process),
    /// It tells only those who may see all accounts.
    NotToYou,
    Not,
}

#[derive(Debug, Clone, Default)]
pub struct Process {
    pub version: String,
    pub since: Option<Time>,
    pub reached: Vec<Reached>,
    /// Whether it keeps metrics at all.
    pub measures: bool,
    pub gauges: Vec<Gauge>,
}

/// A server that a process works with.
#[derive(Debug, Clone)]
pub struct Reached {
    pub name: String,
    pub reachable: bool,
    /// Without it the service does not serve.
    pub needed: bool,
}

/// A measurement that goes up and down.
#[derive(Debug, Clone, Default)]
pub struct Gauge {
    pub name: String,
    pub help: String,
    /// `of=sweep`
    pub labels: Vec<String>,
    pub value: f64,
}

/// Of a job that one replica does for all.
const JOBS: &str = "background_jobs_here";

impl Process {
    /// Its measurements in words, each with whether somebody should look; jobs together.
    pub fn told(&self) -> Vec<(String, bool)> {
        let (jobs, others): (Vec<_>, Vec<_>) =
            self.gauges.iter().partition(|gauge| gauge.name == JOBS);
        let mut told: Vec<_> = others.into_iter().filter_map(Gauge::told).collect();
        for (does, here) in [("jobs here", true), ("jobs of other replicas", false)] {
            let jobs = jobs.iter().filter(|job| (job.value > 0.0) == here);
            let jobs: Vec<_> = jobs.map(|job| job.job()).collect();
            if !jobs.is_empty() {
                told.push((format!("{does}: {}", jobs.join(", ")), false));
            }
        }
        told
    }
}

impl Gauge {
    fn job(&self) -> &str {
        let label = self.labels.first().map_or("a job", |label| label);
        label.split_once('=').map_or(label, |(_, job)| job)
    }

    /// What it says, in words, and whether somebody should look; none where it says that nothing
    /// is unusual.
    fn told(&self) -> Option<(String, bool)> {
        let labels = match self.labels.is_empty() {
            true => String::new(),
            false => format!(" ({})", self.labels.join(", ")),
        };
        let value = self.value;
        let told = match self.name.as_str() {
            "quota_misses_redis" | "quota_accounts_by_ledgers" if value == 0.0 => return None,
            "quota_misses_redis" => (
                "misses Redis: PostgreSQL's ledgers grant units".to_owned(),
                true,
            ),
            "quota_accounts_by_ledgers" => (
                format!("accounts whose units the ledgers grant: {value:.0}"),
                true,
            ),
            "contact_outbox_lag_seconds" => (
                format!("links and merges wait {}", seconds(value)),
                value > 60.0,
            ),
            "activity_database_clock_ahead_seconds" => (
                format!("the database's clock is ahead by {}", seconds(value)),
                value.abs() > 5.0,
            ),
            "tls_certificate_days_left" => (
                format!("days until the certificate ends{labels}: {value:.0}"),
                value < 14.0,
            ),
            _ => {
                let name = match self.help.trim_end_matches('.') {
                    "" => &self.name,
                    help => help,
                };
                (format!("{name}{labels}: {}", plain(value)), false)
            }
        };
        Some(told)
    }
}

fn seconds(value: f64) -> String {
    match value.abs() {
        ..0.001 => "0 s".to_owned(),
        ..10.0 => format!("{value:.3} s"),
        _ => format!("{value:.0} s"),
    }
}

fn plain(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    }
}

/// Where events come in, as the console reaches it.
#[derive(Debug, Clone)]
pub struct Edge {
    pub url: String,
    /// None: it is not reached from here.
    pub is_ready: Option<bool>,
    pub took: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, labels: &[&str], value: f64) -> Option<(String, bool)> {
        let gauge = Gauge {
            name: name.to_owned(),
            help: "Events that wait for their turn.".to_owned(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            value,
        };
        gauge.told()
    }

    #[test]
    fn measurements_are_told_in_words() {
        let fine = |words: &str| Some((words.to_owned(), false));
        let lag = "contact_outbox_lag_seconds";
        assert_eq!(told(lag, &[], 0.0), fine("links and merges wait 0 s"));
        assert!(told(lag, &[], 300.0).unwrap().1, "somebody should look");
        assert_eq!(told("quota_misses_redis", &[], 0.0), None);
        let (words, look) = told("quota_misses_redis", &[], 1.0).unwrap();
        assert!(look && words.starts_with("misses Redis"), "{words}");
        let other = told("edge_queue_events", &["a=b"], 12.0);
        assert_eq!(other, fine("Events that wait for their turn (a=b): 12"));
    }

    #[test]
    fn jobs_are_told_together() {
        let gauge = |job: &str, value| Gauge {
            name: JOBS.to_owned(),
            help: String::new(),
            labels: vec![format!("job={job}")],
            value,
        };
        let process = Process {
            gauges: vec![
                gauge("purge", 1.0),
                gauge("sweep", 0.0),
                gauge("outbox", 1.0),
            ],
            ..Process::default()
        };
        let told: Vec<_> = process.told().into_iter().map(|(words, _)| words).collect();
        assert_eq!(
            told,
            ["jobs here: purge, outbox", "jobs of other replicas: sweep"]
        );
    }
}
