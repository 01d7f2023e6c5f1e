//! Units by source, name and window (semantics 6.8).

use chrono::NaiveDate;
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_postgres::Failure;

use super::counts::{read_subject, written};
use super::{Client, execute, rows};
use crate::domain::spending::{
    Known, Range, SourceDay, Spender, Spending, Spent, UnitKey, subjects_of,
};

/// What is stored of the windows and subjects of a flush.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn known_subjects(
    client: &impl Client,
    account_id: AccountId,
    spending: &Spending,
) -> Result<Known, Failure> {
    let wanted = subjects_of(spending);
    let find = "SELECT u.n FROM unnest($2::uuid[], $3::date[], $4::text[])
            WITH ORDINALITY u (source_id, window_day, subject, n)
        WHERE EXISTS (SELECT FROM unit_counts c WHERE c.account_id = $1
            AND c.source_id = u.source_id AND c.window_day = u.window_day
            AND c.subject = u.subject)";
    let sources: Vec<Uuid> = wanted.iter().map(|((source, _), _)| source.0).collect();
    let days: Vec<NaiveDate> = wanted.iter().map(|((_, day), _)| *day).collect();
    let names: Vec<&str> = wanted.iter().map(|(_, name)| *name).collect();
    let params: super::Params<'_> = &[&account_id.0, &sources, &days, &names];
    let mut known = Known::default();
    for row in rows(client, find, params).await? {
        let (day, name) = wanted[nth(&row)];
        known.subjects.insert((day, name.to_owned()));
    }
    if known.subjects.len() == wanted.len() {
        return Ok(known);
    }
    let mut all: Vec<SourceDay> = wanted.iter().map(|(day, _)| *day).collect();
    all.dedup();
    let count = "SELECT u.n, (SELECT count(*) FROM unit_counts c
            WHERE c.account_id = $1 AND c.source_id = u.source_id
                AND c.window_day = u.window_day AND c.subject <> ' ') AS subjects
        FROM unnest($2::uuid[], $3::date[]) WITH ORDINALITY u (source_id, window_day, n)";
    let sources: Vec<Uuid> = all.iter().map(|(source, _)| source.0).collect();
    let days: Vec<NaiveDate> = all.iter().map(|(_, day)| *day).collect();
    for row in rows(client, count, &[&account_id.0, &sources, &days]).await? {
        let subjects: i64 = row.get("subjects");
        let subjects = usize::try_from(subjects).unwrap_or(usize::MAX);
        known.sizes.insert(all[nth(&row)], subjects);
    }
    Ok(known)
}

/// Adds units, in the order of their keys.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn add_spending(
    client: &impl Client,
    account_id: AccountId,
    spending: &[(UnitKey, Spent)],
) -> Result<(), Failure> {
    let add = "INSERT INTO unit_counts (account_id, source_id, window_day, subject,
            profile_units, activity_units, rejected_events)
        SELECT a.account_id, u.source_id, u.window_day, u.subject, u.profile, u.activity, u.rejected
        FROM accounts a CROSS JOIN unnest($2::uuid[], $3::date[], $4::text[], $5::bigint[],
            $6::bigint[], $7::bigint[])
            u (source_id, window_day, subject, profile, activity, rejected)
        WHERE a.account_id = $1
        ON CONFLICT (account_id, source_id, window_day, subject) DO UPDATE SET
            profile_units = unit_counts.profile_units + excluded.profile_units,
            activity_units = unit_counts.activity_units + excluded.activity_units,
            rejected_events = unit_counts.rejected_events + excluded.rejected_events";
    let keys = || spending.iter().map(|(key, _)| key);
    let spent = || spending.iter().map(|(_, spent)| spent);
    let sources: Vec<Uuid> = keys().map(|key| key.source_id.0).collect();
    let days: Vec<NaiveDate> = keys().map(|key| key.window).collect();
    let subjects: Vec<&str> = keys().map(|key| written(&key.subject)).collect();
    let profile: Vec<i64> = spent().map(|spent| spent.profile).collect();
    let activity: Vec<i64> = spent().map(|spent| spent.activity).collect();
    let rejected: Vec<i64> = spent().map(|spent| spent.rejected).collect();
    let params: super::Params<'_> = &[
        &account_id.0,
        &sources,
        &days,
        &subjects,
        &profile,
        &activity,
        &rejected,
    ];
    execute(client, add, params).await?;
    Ok(())
}

/// Those with most units first, after the first `skip`.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn spenders(
    client: &impl Client,
    account_id: AccountId,
    range: Range,
    skip: i64,
    limit: i64,
) -> Result<Vec<Spender>, Failure> {
    let select = "SELECT source_id, subject, sum(profile_units)::bigint AS profile,
            sum(activity_units)::bigint AS activity, sum(rejected_events)::bigint AS rejected
        FROM unit_counts
        WHERE account_id = $1 AND window_day >= $2 AND window_day <= $3
        GROUP BY source_id, subject
        ORDER BY sum(profile_units + activity_units) DESC, sum(rejected_events) DESC,
            source_id, subject
        LIMIT $4 OFFSET $5";
    let params: super::Params<'_> = &[&account_id.0, &range.first, &range.last, &limit, &skip];
    let read = |row: &Row| Spender {
        source_id: SourceId(row.get("source_id")),
        subject: read_subject(row.get("subject")),
        spent: read_spent(row),
    };
    Ok(rows(client, select, params)
        .await?
        .iter()
        .map(read)
        .collect())
}

/// Of all events, by window.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn spent_by_window(
    client: &impl Client,
    account_id: AccountId,
    range: Range,
) -> Result<Vec<(NaiveDate, Spent)>, Failure> {
    let select = "SELECT window_day, sum(profile_units)::bigint AS profile,
            sum(activity_units)::bigint AS activity, sum(rejected_events)::bigint AS rejected
        FROM unit_counts
        WHERE account_id = $1 AND window_day >= $2 AND window_day <= $3
        GROUP BY window_day ORDER BY window_day";
    let params: super::Params<'_> = &[&account_id.0, &range.first, &range.last];
    let read = |row: &Row| (row.get("window_day"), read_spent(row));
    Ok(rows(client, select, params)
        .await?
        .iter()
        .map(read)
        .collect())
}

fn read_spent(row: &Row) -> Spent {
    Spent {
        profile: row.get("profile"),
        activity: row.get("activity"),
        rejected: row.get("rejected"),
    }
}

fn nth(row: &Row) -> usize {
    let number: i64 = row.get("n");
    usize::try_from(number - 1).expect("ordinality begins at 1")
}
