//! Whether row-level security alone keeps the rows of one account from another (semantics 9.6):
//! each statement that a service ran for one account is run once more for another, with the
//! condition on the account taken out of one place at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use bytes::BytesMut;
use futures_util::TryStreamExt;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::recorder::{Recorder, Sent};

/// The statements of a service, looked at while it works for an account.
pub struct SecondLock {
    recorder: Recorder,
    /// As the service connects, and as one whom no policy binds.
    service: Client,
    superuser: Client,
    /// Whose rows there are, and who must not see them.
    owner: Uuid,
    other: Uuid,
    /// Texts of statements that are over tables without a policy.
    open: &'static [&'static str],
    /// Of those whose condition was taken out: whether it would have mattered without the lock.
    shown: BTreeMap<String, bool>,
    /// Executions that were run again before and after.
    seen: BTreeSet<(String, Sent)>,
    /// What got through.
    faults: BTreeSet<String>,
}

/// What came of a statement: its rows and how many it wrote, or why it did not.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Rows(Vec<Vec<Option<Vec<u8>>>>, Option<u64>),
    Refused,
    Failed(String),
}

impl SecondLock {
    /// Listens to a service that works for `owner` over the recorder's URL. `urls` are the
    /// service's and the superuser's, in the service's schema.
    ///
    /// # Panics
    /// There is no such database.
    pub async fn new(
        recorder: Recorder,
        urls: [&str; 2],
        [owner, other]: [Uuid; 2],
        open: &'static [&'static str],
    ) -> Self {
        let [service, superuser] = urls;
        let lock = Self {
            recorder,
            service: connect(service).await,
            superuser: connect(superuser).await,
            owner,
            other,
            open,
            shown: BTreeMap::new(),
            seen: BTreeSet::new(),
            faults: BTreeSet::new(),
        };
        lock.begin().await;
        lock
    }

    /// From here on both connections see the rows as they are now, the service's as one that works
    /// for the other account.
    async fn begin(&self) {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class LIMIT 1";
        let whose = format!("{begin}; SET LOCAL app.account = '{}'", self.other);
        self.superuser.batch_execute(begin).await.unwrap();
        self.service.batch_execute(&whose).await.unwrap();
    }

    /// Runs again what was run since the last look, over the rows that were there then, and over
    /// those that are there now: a statement that takes rows away finds them before.
    ///
    /// # Panics
    /// The database is away.
    pub async fn look(&mut self) {
        let mut news = self.recorder.said();
        news.retain(|sql, _| {
            let is_open = self.open.iter().any(|open| sql.contains(open));
            !is_open && sql.contains("account_id")
        });
        for (sql, executions) in &mut news {
            executions.retain(|sent| self.seen.insert((sql.clone(), sent.clone())));
        }
        for is_now in [false, true] {
            if is_now {
                self.superuser.batch_execute("ROLLBACK").await.unwrap();
                self.service.batch_execute("ROLLBACK").await.unwrap();
                self.begin().await;
            }
            for (sql, executions) in &news {
                for sent in executions {
                    self.look_as_it_is(sql, sent).await;
                    self.look_without(sql, sent).await;
                }
            }
        }
    }

    /// The statement names another account than its transaction.
    async fn look_as_it_is(&mut self, sql: &str, sent: &Sent) {
        if !sent.contains(&Some(self.owner.as_bytes().to_vec())) {
            return;
        }
        let nobodys = replaced(sent, self.owner, Uuid::max());
        let expected = run(&self.superuser, sql, &nobodys).await;
        let found = run(&self.service, sql, sent).await;
        if found != expected && found != Outcome::Refused && writes_or_has(&found) {
            self.faults
                .insert(format!("names another account: {sql}\n{found:?}"));
        }
    }

    /// The statement has lost a condition, or all of them.
    async fn look_without(&mut self, sql: &str, sent: &Sent) {
        let mut places = places_of(sql);
        places.retain(|(_, _, number)| sent[number - 1].as_deref() == Some(self.owner.as_bytes()));
        if places.is_empty() {
            return;
        }
        let others = replaced(sent, self.owner, self.other);
        let expected = run(&self.superuser, sql, &others).await;
        let one_by_one = places.iter().map(std::slice::from_ref);
        for taken in one_by_one.chain([&places[..]]) {
            let edited = without(sql, taken);
            let without_lock = run(&self.superuser, &edited, &others).await;
            let with_lock = run(&self.service, &edited, &others).await;
            let shown = self.shown.entry(sql.to_owned()).or_default();
            *shown |= without_lock != expected;
            if with_lock != expected && with_lock != Outcome::Refused {
                self.faults.insert(format!(
                    "without a condition: {edited}\n{with_lock:?}\ninstead of {expected:?}"
                ));
            }
        }
    }

    /// How many statements were looked at. All of them are locked; of each but the `harmless`
    /// it was seen that without the lock the condition would have been missed.
    ///
    /// # Panics
    /// One is not.
    pub fn finish(self, harmless: &[&str]) -> usize {
        let faults: Vec<String> = self.faults.into_iter().collect();
        assert!(faults.is_empty(), "{}", faults.join("\n\n"));
        let not_shown = self.shown.iter().filter(|(sql, shown)| {
            !**shown && !harmless.iter().any(|part| squeezed(sql).contains(part))
        });
        let not_shown: Vec<String> = not_shown.map(|(sql, _)| squeezed(sql)).collect();
        assert!(
            not_shown.is_empty(),
            "of {} not seen to matter:\n{}",
            self.shown.len(),
            not_shown.join("\n")
        );
        self.shown.len()
    }
}

/// That each table of the schema with an `account_id`, parts included, is the owner's role's, and
/// has a policy that is forced; but for the open ones. `url` is the superuser's.
///
/// # Panics
/// One is or has not.
pub async fn check_tables(url: &str, schema: &str, open: &[&str]) {
    let client = connect(url).await;
    let tables = "SELECT c.relname, pg_get_userbyid(c.relowner)::text AS owner,
            c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
                SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*'
                  AND p.polpermissive AND p.polroles = '{0}' AND p.polwithcheck IS NULL
                  AND pg_get_expr(p.polqual, c.oid) LIKE '(account_id = %app.account%)')
              AND 1 = (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) AS locked
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'account_id'
        WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p')";
    let tables = client.query(tables, &[&schema]).await.unwrap();
    let mut names = BTreeSet::new();
    for table in &tables {
        let (name, owner): (&str, &str) = (table.get("relname"), table.get("owner"));
        assert_eq!(
            table.get::<_, bool>("locked"),
            !open.contains(&name),
            "{name}"
        );
        assert_eq!(owner, format!("weir_{schema}_owner"), "{name}");
        names.insert(name);
    }
    assert!(names.len() > open.len(), "{names:?}");
    for open in open {
        assert!(names.contains(open), "there is no {open}");
    }
}

/// That the role of a service, by its URL, sees no rows of `table` where it does not say whose,
/// and can neither take the lock off nor go beyond its schema.
///
/// # Panics
/// It does, or can.
pub async fn check_rights(url: &str, schema: &str, table: &str) {
    let client = connect(url).await;
    let count = format!("SELECT count(*) FROM {table}");
    let seen: i64 = client.query_one(&count, &[]).await.unwrap().get(0);
    assert_eq!(seen, 0);
    let others = ["mapping", "contact", "activity", "audience"];
    let others = others.into_iter().filter(|other| *other != schema);
    let beyond = others.flat_map(|other| {
        [
            format!("SELECT FROM {other}.migrations"),
            format!("CREATE TABLE {other}.more ()"),
            format!("SET ROLE weir_{other}_owner"),
            format!("SET ROLE weir_{other}"),
        ]
    });
    // Whatever its name is: the one that the server was made with.
    let superuser = "SELECT quote_ident(rolname) FROM pg_roles WHERE oid = 10";
    let superuser: String = client.query_one(superuser, &[]).await.unwrap().get(0);
    let ours = [
        format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"),
        format!("DROP POLICY account ON {table}"),
        format!("TRUNCATE {table}"),
        format!("CREATE TABLE {schema}.more ()"),
        "CREATE TABLE public.more ()".to_owned(),
        "CREATE ROLE more".to_owned(),
        format!("SET ROLE {superuser}"),
    ];
    for refused in beyond.chain(ours) {
        let error = client.batch_execute(&refused).await.unwrap_err();
        assert_eq!(
            error.code(),
            Some(&SqlState::INSUFFICIENT_PRIVILEGE),
            "{refused}: {error}"
        );
    }
}

fn squeezed(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Where the statement has `account_id = $n`, an alias before it included, and n.
fn places_of(sql: &str) -> Vec<(usize, usize, usize)> {
    let mut places = Vec::new();
    for (at, found) in sql.match_indices("account_id = $") {
        let digits = sql[at + found.len()..].bytes();
        let digits = digits.take_while(u8::is_ascii_digit).count();
        let end = at + found.len() + digits;
        let alias = sql[..at].bytes().rev();
        let alias = alias.take_while(|byte| byte.is_ascii_alphanumeric() || b"._".contains(byte));
        let number = sql[at + found.len()..end].parse().unwrap();
        places.push((at - alias.count(), end, number));
    }
    places
}

/// The statement without these, from its front to its end.
fn without(sql: &str, places: &[(usize, usize, usize)]) -> String {
    let (mut edited, mut at) = (String::new(), 0);
    for (start, end, number) in places {
        edited += &sql[at..*start];
        edited += &format!("(${number}::uuid IS NOT NULL)");
        at = *end;
    }
    edited + &sql[at..]
}

fn replaced(sent: &Sent, old: Uuid, new: Uuid) -> Sent {
    let replace = |value: &Option<Vec<u8>>| match value.as_deref() {
        Some(bytes) if bytes == old.as_bytes() => Some(new.as_bytes().to_vec()),
        other => other.map(<[u8]>::to_vec),
    };
    sent.iter().map(replace).collect()
}

fn writes_or_has(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Rows(rows, written) => !rows.is_empty() || written.is_some_and(|rows| rows > 0),
        Outcome::Refused | Outcome::Failed(_) => false,
    }
}

/// Runs it, and undoes what it did.
async fn run(client: &Client, sql: &str, sent: &Sent) -> Outcome {
    client.batch_execute("SAVEPOINT before").await.unwrap();
    let outcome = match try_run(client, sql, sent).await {
        Ok((rows, written)) => Outcome::Rows(rows, written),
        Err(error) => match error.code() {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Outcome::Refused,
            code => Outcome::Failed(format!("{code:?}")),
        },
    };
    let undo = "ROLLBACK TO before; RELEASE before";
    client.batch_execute(undo).await.unwrap();
    outcome
}

type Rows = Vec<Vec<Option<Vec<u8>>>>;

async fn try_run(
    client: &Client,
    sql: &str,
    sent: &Sent,
) -> Result<(Rows, Option<u64>), tokio_postgres::Error> {
    let statement = client.prepare(sql).await?;
    let parameters = sent.iter().map(|value| Raw(value.clone()));
    let stream = client.query_raw(&statement, parameters).await?;
    let mut stream = std::pin::pin!(stream);
    let mut rows = Vec::new();
    while let Some(row) = stream.try_next().await? {
        let value = |column| row.get::<_, Raw>(column).0;
        rows.push((0..row.len()).map(value).collect());
    }
    rows.sort();
    Ok((rows, stream.rows_affected()))
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
        .batch_execute("SET lock_timeout = '3s'")
        .await
        .unwrap();
    client
}

/// A value of whatever type, as it goes over the wire.
#[derive(Debug)]
struct Raw(Option<Vec<u8>>);

impl ToSql for Raw {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.0 {
            None => Ok(IsNull::Yes),
            Some(bytes) => {
                out.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Some(raw.to_vec())))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_found_with_their_aliases() {
        let sql = "SELECT FROM a x WHERE x.account_id = $1 AND y IN (SELECT FROM b WHERE account_id = $12)";
        let found: Vec<(&str, usize)> = places_of(sql)
            .into_iter()
            .map(|(start, end, number)| (&sql[start..end], number))
            .collect();
        assert_eq!(found, [("x.account_id = $1", 1), ("account_id = $12", 12)]);
        assert_eq!(
            without(sql, &places_of(sql)),
            "SELECT FROM a x WHERE ($1::uuid IS NOT NULL) AND y IN \
             (SELECT FROM b WHERE ($12::uuid IS NOT NULL))"
        );
    }
}
