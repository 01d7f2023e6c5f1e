//! Audiences: made once, looked up often.

use std::collections::HashMap;

use tokio_postgres::Row;
use uuid::Uuid;
use weir_changes::{Author, Before, Change, Thing};
use weir_ids::{AccountId, AudienceId};
use weir_postgres::Failure;

use super::{Connection, Listed, Tx, read};
use crate::domain::{Audience, Created, Name, Origin};

const SEGMENT_ACTIONS: &str = "segment_actions";
const OTHER: &str = "other";

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

    /// Writes down that an audience was made (semantics 9.5).
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn record(&self, author: &Author, made: &Audience) -> Result<(), Failure> {
        let shown = weir_changes::shown([
            ("name", made.name.as_str().into()),
            ("origin", text_of(made.origin).into()),
        ]);
        let change = Change::made(Thing::Audience, made.id, &shown);
        let now = made.create_time;
        weir_changes::record(&self.inner, self.account, author, &change, now).await
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

    /// Up to `limit` audiences whose names come after `after`, by name. One that can't be read
    /// is none in its place.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn audiences_after(
        &mut self,
        account: AccountId,
        after: &str,
        limit: i64,
    ) -> Result<Vec<Listed<Name, Audience>>, Failure> {
        let select = select!("AND name > $2 AND name <> '' ORDER BY name LIMIT $3");
        let rows = self
            .query(account, select, &[&account.0, &after, &limit])
            .await?;
        let listed = |row: &Row| {
            let name = Name::stored(row.get("name"));
            (name, read("audience", try_audience_of(row)))
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

fn try_audience_of(row: &Row) -> Result<Audience, tokio_postgres::Error> {
    Ok(Audience {
        id: AudienceId(row.try_get("audience_id")?),
        name: Name::stored(row.try_get("name")?),
        origin: origin_of(row.try_get("origin")?),
        create_time: row.try_get("create_time")?,
    })
}

fn text_of(origin: Origin) -> &'static str {
    match origin {
        Origin::SegmentActions => SEGMENT_ACTIONS,
        Origin::Other => OTHER,
    }
}

/// What a later version may store is not Segment's either.
fn origin_of(text: &str) -> Origin {
    if text == SEGMENT_ACTIONS {
        Origin::SegmentActions
    } else {
        Origin::Other
    }
}
