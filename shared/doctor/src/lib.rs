//! Whether what the services store agrees, in one service and between them: identifiers,
//! redirects, backlog, memberships, ledgers and counters.
//!
//! Behind `./weir doctor`, and behind the tests, which ask it after every storm. It reads, and
//! writes nothing: all tables at one moment, in a transaction that may not write, and the
//! counters in Redis with commands that only read. It may be asked of a system at work: what is
//! under way between two services is left out, and counted ([`Report::left_out`]).
//!
//! **Invariant:** what it tells names accounts, contacts and kinds of identifiers, and never a
//! value of anybody's.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod checks;
mod counters;
mod grants;
mod ledgers;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use tokio_postgres::{Client, IsolationLevel, Transaction};
use uuid::Uuid;
use weir_postgres::DialError;
use weir_redis::RedisOptions;

pub use checks::CHECKS;
pub use counters::Counter;
pub use ledgers::{Limits, Sum};

/// Of what breaks a promise so many are told; the rest is counted no further.
const SHOWN: i64 = 20;

/// Something that must hold.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// What holds, in words.
    pub promise: &'static str,
    /// Whose tables it looks at.
    pub schemas: &'static [&'static str],
    /// It compares what a service tells others behind its own transaction: accounts for which
    /// something is still to be told are left out.
    pub is_relayed: bool,
    /// Finds what breaks it: `account_id`, and `found` in words.
    query: &'static str,
}

/// What to look at.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Only this account, by its id or name.
    pub account: Option<String>,
    /// Where the counters are; none: they are not looked at.
    pub redis: Option<String>,
    /// With which certificates, where that is `rediss://`.
    pub certificates: RedisOptions,
}

/// Whoever asks can put it right by asking otherwise.
#[derive(Debug)]
pub struct Wrong(String);

impl std::fmt::Display for Wrong {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

/// How far it has come.
#[derive(Debug)]
pub enum Step<'a> {
    /// One begins: which, of how many.
    Begins(usize, usize, &'a str),
    /// It is done: how many faults it found, in what time.
    Done(usize, Duration),
    /// It can't be asked here: the schema is not there.
    Skipped(&'a str),
}

/// Something that breaks a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What should hold.
    pub promise: &'static str,
    /// Where it does not. None: of no account.
    pub account: Option<Uuid>,
    /// What was found.
    pub found: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{}: ", self.promise)?;
        if let Some(account) = self.account {
            write!(to, "account {account}, ")?;
        }
        to.write_str(&self.found)
    }
}

/// What it found.
#[derive(Debug, Default)]
pub struct Report {
    /// Nothing, where all agrees.
    pub faults: Vec<Fault>,
    /// Accounts for which links are still to be told, so that what follows from them was not
    /// looked at.
    pub left_out: i64,
    /// What was charged in the last days.
    pub sums: Vec<Sum>,
    /// What present plans allow.
    pub limits: BTreeMap<Uuid, Limits>,
    /// What Redis counts of them.
    pub counters: Vec<Counter>,
    /// How many checks were made.
    pub made: usize,
    /// And how many could not be.
    pub skipped: usize,
    /// Why what Redis counts could not be compared, where it should have been.
    pub redis: Option<anyhow::Error>,
}

/// Looks at the database at `url`, which has the schemas of one or more of the services.
///
/// # Errors
/// It can't be read, or the role does not see the rows of all accounts; [`Wrong`] where that is no
/// URL, or there is no such account.
pub async fn examine(
    url: &str,
    scope: &Scope,
    mut tell: impl FnMut(Step<'_>),
) -> anyhow::Result<Report> {
    let mut client = connect(url).await?;
    sees_all(&client).await?;
    let mut report = Report::default();
    // Before the counters: every unit that is stored by now was reserved before.
    let moment = moment(&mut client).await?;
    let schemas = schemas(&moment).await?;
    let is_there = |wanted: &[&str]| wanted.iter().all(|one| schemas.iter().any(|is| is == one));
    let account = match &scope.account {
        Some(account) => Some(account_of(&moment, account, is_there(&["mapping"])).await?),
        None => None,
    };
    if is_there(&["contact"]) {
        report.left_out = checks::waiting(&moment, account).await?;
    }
    if is_there(&["mapping"]) {
        report.limits = ledgers::limits(&moment, account).await?;
    }
    let total = CHECKS.len() + 1;
    for (index, check) in CHECKS.iter().enumerate() {
        tell(Step::Begins(index + 1, total, check.promise));
        if !is_there(check.schemas) {
            report.skipped += 1;
            tell(Step::Skipped("its tables are not in this database"));
            continue;
        }
        let began = Instant::now();
        let found = checks::ask(&moment, check, is_there(&["contact"]), account);
        let found = found.await.with_context(|| check.promise)?;
        report.made += 1;
        tell(Step::Done(found.len(), began.elapsed()));
        report.faults.extend(found);
    }
    tell(Step::Begins(total, total, counters::PROMISE));
    let began = Instant::now();
    let before = ledgers::sums(&moment, &schemas, account).await?;
    moment.commit().await?;
    report.sums = before.sums.clone();
    let Some(redis) = &scope.redis else {
        report.skipped += 1;
        tell(Step::Skipped("no Redis was named"));
        return Ok(report);
    };
    if !is_there(&["contact", "activity"]) {
        report.skipped += 1;
        tell(Step::Skipped("its tables are not in this database"));
        return Ok(report);
    }
    match counters::read(redis, &scope.certificates, &before).await {
        Ok(counters) => report.counters = counters,
        Err(error) => {
            // What was found so far is no less true.
            report.skipped += 1;
            tell(Step::Skipped("Redis can't be asked"));
            report.redis = Some(error);
            return Ok(report);
        }
    }
    let moment = self::moment(&mut client).await?;
    let after = ledgers::sums(&moment, &schemas, account).await?;
    moment.commit().await?;
    let found = counters::compare(&before, &report.counters, &after);
    report.made += 1;
    tell(Step::Done(found.len(), began.elapsed()));
    report.faults.extend(found);
    Ok(report)
}

/// All tables as they are now, and none of them to be written.
async fn moment(client: &mut Client) -> anyhow::Result<Transaction<'_>> {
    let moment = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start();
    Ok(moment.await?)
}

async fn connect(url: &str) -> anyhow::Result<Client> {
    let client = weir_postgres::connect_once(url).await;
    let client = client.map_err(|error| match &error {
        DialError::Url(cause) => Wrong(format!("no URL of PostgreSQL: {cause}")).into(),
        // What it says of who knocks has names, and no passwords.
        DialError::Postgres(cause) => match cause.as_db_error() {
            Some(said) => anyhow!("PostgreSQL can't be used: {}", said.message()),
            None => anyhow!("PostgreSQL can't be used: {cause}"),
        },
        other => anyhow!("PostgreSQL can't be used: {other}"),
    })?;
    // Tables may be large, and a limit that stands for the services is not for us.
    client.batch_execute("SET statement_timeout = 0").await?;
    Ok(client)
}

/// Whoever is under row-level security would see nothing, and find nothing wrong.
async fn sees_all(client: &Client) -> anyhow::Result<()> {
    let sees = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
    let row = client.query_one(sees, &[]).await?;
    if row.get(0) {
        return Ok(());
    }
    bail!(
        "this role sees the rows of no account (row-level security): give the URL of a superuser, \
         or of a role that may read all tables and has BYPASSRLS"
    )
}

async fn account_of(moment: &Transaction<'_>, text: &str, is_named: bool) -> anyhow::Result<Uuid> {
    if let Ok(account) = text.parse() {
        return Ok(account);
    }
    let sql = "SELECT account_id FROM mapping.account_names WHERE name = $1";
    let found = match is_named {
        true => moment.query_opt(sql, &[&text]).await?,
        false => None,
    };
    let found = found.ok_or_else(|| Wrong(format!("there is no account {text:?}")))?;
    Ok(found.get(0))
}

/// Of the services, those that have tables here.
async fn schemas(moment: &Transaction<'_>) -> anyhow::Result<Vec<String>> {
    let there = "SELECT n.nspname::text FROM pg_namespace n
        WHERE n.nspname IN ('mapping', 'contact', 'activity', 'audience')
          AND EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'accounts')";
    let rows = moment.query(there, &[]).await?;
    let schemas: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if schemas.is_empty() {
        bail!("this database has no tables of Weir");
    }
    Ok(schemas)
}
