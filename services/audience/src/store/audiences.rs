//! Audiences: made once, looked up often.

use std::collections::HashMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_changes::{Author, Before, Change, Thing};
use weir_ids::{AccountId, AudienceId};
use weir_postgres::Failure;

use super::history::IN_ALL;
use super::{Connection, Listed, Param, Tx, read};
use crate::domain::{Audience, Created, Name, Origin, Shown};

const SEGMENT_ACTIONS: &str = "segment_actions";
const OTHER: &str = "other";
const MANUAL: &str = "manual";
/// Today, and the days before whose updates are told.
const RECENT_DAYS: u64 = 6;

pub(super) const ORIGINS: &str = "
    SELECT s.audience_id, s.origin
    FROM unnest($2::uuid[]) u (audience_id)
    CROSS JOIN LATERAL (
        SELECT audience_id, origin FROM audiences
        WHERE account_id = $1 AND audience_id = u.audience_id
        LIMIT 1
    ) s";

/// Columns that [`try_audience_of`] reads.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT audience_id, name, origin, create_time FROM audiences WHERE account_id = $1 ",
            $rest
        )
    };
}

/// With what [`try_shown_of`] reads besides.
macro_rules! figures {
    ($rest:literal) => {
        concat!(
            "SELECT a.*, f.members, f.updates
            FROM (SELECT audience_id, name, origin, create_time FROM audiences
                WHERE account_id = $1 ",
            $rest,
            ") a
            CROSS JOIN LATERAL (
                SELECT COALESCE(sum(joined - gone + moved) FILTER (WHERE day = $2), 0)::bigint
                        AS members,
                    COALESCE(sum(updates) FILTER (WHERE day >= $3), 0)::bigint AS updates
                FROM audience_days
                WHERE account_id = $1 AND audience_id = a.audience_id
                  AND (day = $2 OR day >= $3)
            ) f
            ORDER BY a.name"
        )
    };
}

impl Tx<'_> {
    /// Stores the audience, or finds the one that has its name.
    ///
    /// # Errors
    /// Where the database fails, or the account's row is missing (a conflict: make it and try
    /// again).
    pub async fn get_or_create(&self, audience: &Audience) -> Result<Created, Failure> {
        let insert = "
            INSERT INTO audiences (account_id, audience_id, name, origin, create_time)
            SELECT a.account_id, $2, $3, $4, $5 FROM accounts a WHERE a.account_id = $1
            ON CONFLICT (account_id, name) WHERE name <> '' DO NOTHING";
        let inserted = self
            .execute(
                insert,
                &[
                    &self.account.0,
                    &audience.id.0,
                    &audience.name.as_str(),
                    &text_of(audience.origin),
                    &audience.create_time,
                ],
            )
            .await?;
        if inserted > 0 {
            return Ok(Created {
                audience: audience.clone(),
                created: true,
            });
        }
        let select = select!("AND name = $2 AND name <> ''");
        let found = self
            .query_opt(select, &[&self.account.0, &audience.name.as_str()])
            .await?
            .ok_or(Failure::Conflict)?;
        Ok(Created {
            audience: try_audience_of(&found)?,
            created: false,
        })
    }

    /// None where there is no such audience.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn audience(&self, audience: AudienceId) -> Result<Option<Audience>, Failure> {
        let select = select!("AND audience_id = $2");
        let found = self
            .query_opt(select, &[&self.account.0, &audience.0])
            .await?;
        Ok(found.as_ref().map(try_audience_of).transpose()?)
    }

    /// What the author's request did before.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn done_before(&self, author: &Author) -> Result<Before, Failure> {
        weir_changes::done_before(&self.inner, self.account, author).await
    }

    /// Gives it another name. `false`: another audience has it.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn rename(&self, audience: AudienceId, name: &Name) -> Result<bool, Failure> {
        let rename = "UPDATE audiences SET name = $3
            WHERE account_id = $1 AND audience_id = $2 AND NOT EXISTS (
                SELECT FROM audiences WHERE account_id = $1 AND name = $3 AND name <> '')";
        let params: [Param<'_>; 3] = [&self.account.0, &audience.0, &name.as_str()];
        Ok(self.execute(rename, &params).await? > 0)
    }

    /// Writes down what became of an audience, of which there are two states, or one where it was
    /// made or deleted (semantics 9.5).
    ///
    /// # Errors
    /// Where the database fails; a conflict where the same request is just being carried out.
    pub async fn record(
        &self,
        author: &Author,
        before: Option<&Audience>,
        after: Option<&Audience>,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let Some(id) = after.or(before).map(|audience| audience.id) else {
            return Ok(());
        };
        let shown = |audience: Option<&Audience>| {
            audience.map_or_else(weir_changes::Shown::new, |audience| {
                weir_changes::shown([
                    ("name", audience.name.as_str().into()),
                    ("origin", text_of(audience.origin).into()),
                ])
            })
        };
        let change = Change::between(Thing::Audience, id, &shown(before), &shown(after));
        weir_changes::record(&self.inner, self.account, author, &change, now).await
    }

    /// How many updates of its memberships were news on this day and the six before.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn recent_updates(
        &self,
        audience: AudienceId,
        today: NaiveDate,
    ) -> Result<i64, Failure> {
        let select = "SELECT COALESCE(sum(updates), 0)::bigint AS updates FROM audience_days
            WHERE account_id = $1 AND audience_id = $2 AND day >= $3";
        let first = first_of(today);
        let params: [Param<'_>; 3] = [&self.account.0, &audience.0, &first];
        let row = self.query_opt(select, &params).await?;
        Ok(row.map_or(0, |row| row.get("updates")))
    }
}

impl Connection {
    /// None where there is no such audience.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn audience(
        &mut self,
        account: AccountId,
        audience: AudienceId,
    ) -> Result<Option<Audience>, Failure> {
        let select = select!("AND audience_id = $2");
        let found = self
            .query_opt(account, select, &[&account.0, &audience.0])
            .await?;
        Ok(found.as_ref().map(try_audience_of).transpose()?)
    }

    /// As [`audience`](Self::audience), with its figures.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn shown(
        &mut self,
        account: AccountId,
        audience: AudienceId,
        today: NaiveDate,
    ) -> Result<Option<Shown>, Failure> {
        let select = figures!("AND audience_id = $4");
        let first = first_of(today);
        let params: [Param<'_>; 4] = [&account.0, &IN_ALL, &first, &audience.0];
        let found = self.query_opt(account, select, &params).await?;
        Ok(found.as_ref().map(try_shown_of).transpose()?)
    }

    /// Up to `limit` audiences whose names come after `after`, by name, with their figures. One
    /// that can't be read is none in its place.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn audiences_after(
        &mut self,
        account: AccountId,
        after: &str,
        limit: i64,
        today: NaiveDate,
    ) -> Result<Vec<Listed<Name, Shown>>, Failure> {
        let select = figures!("AND name > $4 AND name <> '' ORDER BY name LIMIT $5");
        let first = first_of(today);
        let params: [Param<'_>; 5] = [&account.0, &IN_ALL, &first, &after, &limit];
        let rows = self.query(account, select, &params).await?;
        let listed = |row: &Row| {
            let name = Name::stored(row.get("name"));
            (name, read("audience", try_shown_of(row)))
        };
        Ok(rows.iter().map(listed).collect())
    }

    /// Where these audiences come from; unknown ones are missing.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn origins(
        &mut self,
        account: AccountId,
        audiences: &[AudienceId],
    ) -> Result<HashMap<AudienceId, Origin>, Failure> {
        let ids: Vec<Uuid> = audiences.iter().map(|id| id.0).collect();
        let rows = self.query(account, ORIGINS, &[&account.0, &ids]).await?;
        Ok(rows.iter().map(origin_row).collect())
    }
}

pub(super) fn origin_row(row: &Row) -> (AudienceId, Origin) {
    (
        AudienceId(row.get("audience_id")),
        origin_of(row.get("origin")),
    )
}

fn try_shown_of(row: &Row) -> Result<Shown, tokio_postgres::Error> {
    Ok(Shown {
        audience: try_audience_of(row)?,
        members: row.try_get("members")?,
        updates: row.try_get("updates")?,
    })
}

fn first_of(today: NaiveDate) -> NaiveDate {
    today - Days::new(RECENT_DAYS)
}

pub(super) fn try_audience_of(row: &Row) -> Result<Audience, tokio_postgres::Error> {
    Ok(Audience {
        id: AudienceId(row.try_get("audience_id")?),
        name: Name::stored(row.try_get("name")?),
        origin: origin_of(row.try_get("origin")?),
        create_time: row.try_get("create_time")?,
    })
}

pub(super) fn text_of(origin: Origin) -> &'static str {
    match origin {
        Origin::SegmentActions => SEGMENT_ACTIONS,
        Origin::Other => OTHER,
        Origin::Manual => MANUAL,
    }
}

/// What a later version may store is not Segment's either.
fn origin_of(text: &str) -> Origin {
    match text {
        SEGMENT_ACTIONS => Origin::SegmentActions,
        MANUAL => Origin::Manual,
        _ => Origin::Other,
    }
}
