//! Audiences: made once, looked up often.

use std::collections::HashMap;

use tokio_postgres::Row;
use weir_ids::{AccountId, AudienceId};
use weir_postgres::Failure;

use super::{Session, read};
use crate::domain::{Audience, Listed, Name, Origin};

const SEGMENT_ACTIONS: &str = "segment_actions";
const OTHER: &str = "other";

/// Answer of [`Session::get_or_create`].
#[derive(Debug, Clone)]
pub struct Created {
    pub audience: Audience,
    /// `false`: it was there.
    pub created: bool,
}

impl Session {
    /// Stores the audience, or finds the one that has its name.
    ///
    /// # Errors
    /// Where the database fails, or the account's anchor row is missing (a conflict: anchor
    /// it and try again).
    pub async fn get_or_create(
        &self,
        account: AccountId,
        audience: &Audience,
    ) -> Result<Created, Failure> {
        let insert = self
            .0
            .prepare_cached(
                "INSERT INTO audiences (account_id, audience_id, name, origin, create_time)
                 SELECT a.account_id, $2, $3, $4, $5 FROM accounts a WHERE a.account_id = $1
                 ON CONFLICT (account_id, name) WHERE name <> '' DO NOTHING
                 RETURNING audience_id",
            )
            .await?;
        let inserted = self
            .0
            .query_opt(
                &insert,
                &[
                    &account.0,
                    &audience.id.0,
                    &audience.name.as_str(),
                    &text_of(audience.origin),
                    &audience.create_time,
                ],
            )
            .await?;
        if inserted.is_some() {
            return Ok(Created {
                audience: audience.clone(),
                created: true,
            });
        }
        let select = self
            .0
            .prepare_cached(
                "SELECT audience_id, name, origin, create_time FROM audiences
                 WHERE account_id = $1 AND name = $2 AND name <> ''",
            )
            .await?;
        let found = self
            .0
            .query_opt(&select, &[&account.0, &audience.name.as_str()])
            .await?
            .ok_or(Failure::Conflict)?;
        Ok(Created {
            audience: try_audience_of(&found)?,
            created: false,
        })
    }

    /// # Errors
    /// Where the database fails.
    pub async fn audience(
        &self,
        account: AccountId,
        audience: AudienceId,
    ) -> Result<Option<Audience>, Failure> {
        let statement = self
            .0
            .prepare_cached(
                "SELECT audience_id, name, origin, create_time FROM audiences
                 WHERE account_id = $1 AND audience_id = $2",
            )
            .await?;
        let found = self
            .0
            .query_opt(&statement, &[&account.0, &audience.0])
            .await?;
        Ok(found.as_ref().map(try_audience_of).transpose()?)
    }

    /// Up to `limit` audiences whose names come after `after`, by name. One that can't be read
    /// is none in its place.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn audiences_after(
        &self,
        account: AccountId,
        after: &str,
        limit: i64,
    ) -> Result<Vec<Listed<Name, Audience>>, Failure> {
        let statement = self
            .0
            .prepare_cached(
                "SELECT audience_id, name, origin, create_time FROM audiences
                 WHERE account_id = $1 AND name > $2 AND name <> '' ORDER BY name LIMIT $3",
            )
            .await?;
        let rows = self
            .0
            .query(&statement, &[&account.0, &after, &limit])
            .await?;
        Ok(rows
            .iter()
            .map(|row| {
                let audience = try_audience_of(row);
                (Name::stored(row.get(1)), read("audience", audience))
            })
            .collect())
    }

    /// Where these audiences come from; unknown ones are missing.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn origins(
        &self,
        account: AccountId,
        audiences: &[AudienceId],
    ) -> Result<HashMap<AudienceId, Origin>, Failure> {
        let statement = self.0.prepare_cached(ORIGINS).await?;
        let ids: Vec<uuid::Uuid> = audiences.iter().map(|id| id.0).collect();
        let rows = self.0.query(&statement, &[&account.0, &ids]).await?;
        Ok(rows.iter().map(origin_row).collect())
    }
}

pub(super) const ORIGINS: &str = "
    SELECT s.audience_id, s.origin
    FROM unnest($2::uuid[]) u (audience_id)
    CROSS JOIN LATERAL (
        SELECT audience_id, origin FROM audiences
        WHERE account_id = $1 AND audience_id = u.audience_id
        LIMIT 1
    ) s";

pub(super) fn origin_row(row: &Row) -> (AudienceId, Origin) {
    (AudienceId(row.get(0)), origin_of(row.get(1)))
}

fn try_audience_of(row: &Row) -> Result<Audience, tokio_postgres::Error> {
    Ok(Audience {
        id: AudienceId(row.try_get(0)?),
        name: Name::stored(row.try_get(1)?),
        origin: origin_of(row.try_get(2)?),
        create_time: row.try_get(3)?,
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
