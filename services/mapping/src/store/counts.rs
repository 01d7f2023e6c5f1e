//! Counts by hour (semantics 7.3a).

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_postgres::Failure;

use super::{Client, execute, row, rows};
use crate::domain::Listed;
use crate::domain::counts::{
    Answers, CountKey, Counted, Counts, SourceHour, Stored, Subject, Summary, SummaryFilter,
    SummaryKey, subjects_of,
};

/// No name is that: they have no white space around them.
const OTHER: &str = " ";

/// Whether this flush of a process is news to the account: notes that it was taken in.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn begin_flush(
    client: &impl Client,
    account_id: AccountId,
    process_id: Uuid,
    sequence: i64,
    now: DateTime<Utc>,
) -> Result<bool, Failure> {
    let begin = "INSERT INTO count_flushes (account_id, process_id, sequence, flush_time)
        SELECT a.account_id, $2, $3, $4 FROM accounts a WHERE a.account_id = $1
        ON CONFLICT (account_id, process_id)
            DO UPDATE SET sequence = excluded.sequence, flush_time = excluded.flush_time
            WHERE count_flushes.sequence < excluded.sequence";
    let params: super::Params<'_> = &[&account_id.0, &process_id, &sequence, &now];
    Ok(execute(client, begin, params).await? > 0)
}

/// Which of these sources are there. Whoever adds to their counts next waits until this
/// transaction ends: subjects are taken in one after the other.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn lock_sources(
    client: &impl Client,
    account_id: AccountId,
    source_ids: &[Uuid],
) -> Result<Vec<SourceId>, Failure> {
    let lock = "SELECT source_id FROM sources
        WHERE account_id = $1 AND source_id = ANY ($2::uuid[])
        ORDER BY source_id FOR NO KEY UPDATE";
    let found = rows(client, lock, &[&account_id.0, &source_ids]).await?;
    Ok(found
        .iter()
        .map(|row| SourceId(row.get("source_id")))
        .collect())
}

/// What is stored of the hours and subjects of a flush. Where all subjects are known the hours'
/// own are not looked at.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn stored_subjects(
    client: &impl Client,
    account_id: AccountId,
    counts: &Counts,
) -> Result<Stored, Failure> {
    let wanted = subjects_of(counts);
    let find = "SELECT u.n FROM unnest($2::uuid[], $3::timestamptz[], $4::text[])
            WITH ORDINALITY u (source_id, hour, subject, n)
        WHERE EXISTS (SELECT FROM reason_counts c WHERE c.account_id = $1
            AND c.source_id = u.source_id AND c.hour = u.hour AND c.subject = u.subject)";
    let sources: Vec<Uuid> = wanted.iter().map(|((source, _), _)| source.0).collect();
    let hours: Vec<DateTime<Utc>> = wanted.iter().map(|((_, hour), _)| *hour).collect();
    let names: Vec<&str> = wanted.iter().map(|(_, name)| *name).collect();
    let params: super::Params<'_> = &[&account_id.0, &sources, &hours, &names];
    let mut stored = Stored::default();
    for row in rows(client, find, params).await? {
        let (hour, name) = wanted[nth(&row)];
        stored.known.insert((hour, name.to_owned()));
    }
    if stored.known.len() == wanted.len() {
        return Ok(stored);
    }
    let mut all: Vec<SourceHour> = wanted.iter().map(|(hour, _)| *hour).collect();
    all.dedup();
    let count = "SELECT u.n, (SELECT count(DISTINCT c.subject) FROM reason_counts c
            WHERE c.account_id = $1 AND c.source_id = u.source_id AND c.hour = u.hour
                AND c.subject <> $4) AS subjects
        FROM unnest($2::uuid[], $3::timestamptz[]) WITH ORDINALITY u (source_id, hour, n)";
    let sources: Vec<Uuid> = all.iter().map(|(source, _)| source.0).collect();
    let hours: Vec<DateTime<Utc>> = all.iter().map(|(_, hour)| *hour).collect();
    let params: super::Params<'_> = &[&account_id.0, &sources, &hours, &OTHER];
    for row in rows(client, count, params).await? {
        let subjects: i64 = row.get("subjects");
        let subjects = usize::try_from(subjects).unwrap_or(usize::MAX);
        stored.subjects.insert(all[nth(&row)], subjects);
    }
    Ok(stored)
}

/// Adds counts, in the order of their keys.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn add_counts(
    client: &impl Client,
    account_id: AccountId,
    counts: &[(CountKey, Counted)],
) -> Result<(), Failure> {
    let add = "INSERT INTO reason_counts (account_id, source_id, hour, subject, status, code,
            count, first_time, last_time)
        SELECT a.account_id, u.source_id, u.hour, u.subject, u.status, u.code, u.count,
            u.first_time, u.last_time
        FROM accounts a CROSS JOIN unnest($2::uuid[], $3::timestamptz[], $4::text[],
            $5::smallint[], $6::text[], $7::bigint[], $8::timestamptz[], $9::timestamptz[])
            u (source_id, hour, subject, status, code, count, first_time, last_time)
        WHERE a.account_id = $1
        ON CONFLICT (account_id, source_id, hour, subject, status, code) DO UPDATE SET
            count = reason_counts.count + excluded.count,
            first_time = LEAST(reason_counts.first_time, excluded.first_time),
            last_time = GREATEST(reason_counts.last_time, excluded.last_time)";
    let keys = || counts.iter().map(|(key, _)| key);
    let counted = || counts.iter().map(|(_, counted)| counted);
    let sources: Vec<Uuid> = keys().map(|key| key.source_id.0).collect();
    let hours: Vec<DateTime<Utc>> = keys().map(|key| key.hour).collect();
    let subjects: Vec<&str> = keys().map(|key| written(&key.subject)).collect();
    let statuses: Vec<i16> = keys().map(|key| key.status).collect();
    let codes: Vec<&str> = keys().map(|key| key.code.as_str()).collect();
    let numbers: Vec<i64> = counted().map(|counted| counted.count).collect();
    let first: Vec<DateTime<Utc>> = counted().map(|counted| counted.first_time).collect();
    let last: Vec<DateTime<Utc>> = counted().map(|counted| counted.last_time).collect();
    let params: super::Params<'_> = &[
        &account_id.0,
        &sources,
        &hours,
        &subjects,
        &statuses,
        &codes,
        &numbers,
        &first,
        &last,
    ];
    execute(client, add, params).await?;
    Ok(())
}

/// In the order of their keys, after `after`.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn summarize(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
    filter: &SummaryFilter,
    after: Option<&SummaryKey>,
    limit: i64,
) -> Result<Vec<Listed<SummaryKey, Summary>>, Failure> {
    let select = "SELECT h.status, h.code, h.subject, sum(h.count)::bigint AS count,
            min(h.first_time) AS first_time, max(h.last_time) AS last_time,
            array_agg(h.hour ORDER BY h.hour) AS hours,
            array_agg(h.count ORDER BY h.hour) AS counts
        FROM (
            SELECT c.status, c.code, CASE WHEN $5 THEN c.subject ELSE '' END AS subject, c.hour,
                sum(c.count)::bigint AS count, min(c.first_time) AS first_time,
                max(c.last_time) AS last_time
            FROM reason_counts c
            WHERE c.account_id = $1 AND c.source_id = $2 AND c.hour >= $3 AND c.hour < $4
                AND (cardinality($6::text[]) = 0 OR c.code = ANY ($6::text[]))
                AND ($7::text IS NULL OR c.subject = $7)
            GROUP BY 1, 2, 3, 4
        ) h
        WHERE $8 OR (h.status, h.code, h.subject) > ($9, $10, $11)
        GROUP BY h.status, h.code, h.subject
        ORDER BY h.status, h.code, h.subject LIMIT $12";
    let (status, code, subject) = after.map_or((0, "", ""), |key| {
        let subject = key.subject.as_ref().map_or("", written);
        (key.status, &*key.code, subject)
    });
    let params: super::Params<'_> = &[
        &account_id.0,
        &source_id.0,
        &filter.start,
        &filter.end,
        &filter.by_subject,
        &filter.codes,
        &filter.subject.as_ref().map(written),
        &after.is_none(),
        &status,
        &code,
        &subject,
        &limit,
    ];
    let found = rows(client, select, params).await?;
    let read = |row: &Row| {
        let key = SummaryKey {
            status: row.get("status"),
            code: row.get("code"),
            subject: filter.by_subject.then(|| read_subject(row.get("subject"))),
        };
        let hours: Vec<DateTime<Utc>> = row.get("hours");
        let counts: Vec<i64> = row.get("counts");
        let summary = Summary {
            key: key.clone(),
            counted: Counted {
                count: row.get("count"),
                first_time: row.get("first_time"),
                last_time: row.get("last_time"),
            },
            hours: hours.into_iter().zip(counts).collect(),
        };
        (key, Some(summary))
    };
    Ok(found.iter().map(read).collect())
}

/// How many events were answered between two hours.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn count_answers(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
    (start, end): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Answers, Failure> {
    let select = "SELECT COALESCE(sum(c.count), 0)::bigint AS answered,
            COALESCE(sum(c.count) FILTER (WHERE c.status < 300), 0)::bigint AS taken
        FROM reason_counts c
        WHERE c.account_id = $1 AND c.source_id = $2 AND c.hour >= $3 AND c.hour < $4
            AND c.status > 0";
    let params: super::Params<'_> = &[&account_id.0, &source_id.0, &start, &end];
    let found = row(client, select, params).await?;
    Ok(found.map_or_else(Answers::default, |row| Answers {
        answered: row.get("answered"),
        taken: row.get("taken"),
    }))
}

pub(super) fn written(subject: &Subject) -> &str {
    match subject {
        Subject::Named(name) => name,
        Subject::Other => OTHER,
    }
}

pub(super) fn read_subject(text: String) -> Subject {
    match text.as_str() {
        OTHER => Subject::Other,
        _ => Subject::Named(text),
    }
}

fn nth(row: &Row) -> usize {
    let number: i64 = row.get("n");
    usize::try_from(number - 1).expect("ordinality begins at 1")
}
