//! Reading all members of some audiences, as they are at one moment.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::{AccountId, AudienceId, ContactId};
use weir_postgres::Failure;

use super::audiences::try_audience_of;
use super::{Connection, Param, Tx};
use crate::domain::export::Exported;

/// Members that are asked for at once: many enough that the way there and back does not count,
/// few enough that a page is there in no time, and small (a member has a thousand bytes of
/// message id at most).
const PAGE: i64 = 4_000;

const MEMBERS: &str = "
    SELECT contact_id, member_since_time, update_time, update_message_id FROM memberships
    WHERE account_id = $1 AND audience_id = $2 AND contact_id > $3 AND member
    ORDER BY contact_id LIMIT $4";

const ALL_AUDIENCES: &str = "
    SELECT audience_id, name, origin, create_time FROM audiences
    WHERE account_id = $1 AND audience_id > $2 ORDER BY audience_id LIMIT $3";

const THESE: &str = "
    SELECT s.* FROM unnest($2::uuid[]) WITH ORDINALITY AS u (audience_id, ordinal)
    CROSS JOIN LATERAL (
        SELECT audience_id, name, origin, create_time FROM audiences
        WHERE account_id = $1 AND audience_id = u.audience_id
        LIMIT 1
    ) s
    ORDER BY u.ordinal";

/// Over one moment.
pub struct Exporting<'c> {
    account: AccountId,
    snapshot: Tx<'c>,
}

/// An audience whose members are written.
#[derive(Debug, Clone)]
pub struct Source {
    pub id: AudienceId,
    pub name: String,
}

/// The next members of an audience.
pub struct ExportPage(Vec<Row>);

impl Connection {
    /// Begins, on this connection.
    pub fn export(&mut self, account: AccountId) -> Exporting<'_> {
        Exporting {
            account,
            snapshot: Tx {
                inner: weir_postgres::Tx::snapshot(&mut self.0, account),
                account,
            },
        }
    }
}

impl Exporting<'_> {
    /// These, in their order; those that are none are missing.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn these(&self, audiences: &[AudienceId]) -> Result<Vec<Source>, Failure> {
        let ids: Vec<Uuid> = audiences.iter().map(|id| id.0).collect();
        let params: [Param<'_>; 2] = [&self.account.0, &ids];
        let rows = self.snapshot.query(THESE, &params).await?;
        sources(&rows)
    }

    /// Some of all audiences behind `after`, by id; none behind the last.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn audiences(&self, after: AudienceId) -> Result<Vec<Source>, Failure> {
        let params: [Param<'_>; 3] = [&self.account.0, &after.0, &PAGE];
        let rows = self.snapshot.query(ALL_AUDIENCES, &params).await?;
        sources(&rows)
    }

    /// Members behind `after`.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn members(
        &self,
        audience: AudienceId,
        after: ContactId,
    ) -> Result<ExportPage, Failure> {
        let params: [Param<'_>; 4] = [&self.account.0, &audience.0, &after.0, &PAGE];
        Ok(ExportPage(self.snapshot.query(MEMBERS, &params).await?))
    }
}

fn sources(rows: &[Row]) -> Result<Vec<Source>, Failure> {
    let source = |row: &Row| {
        let audience = try_audience_of(row)?;
        Ok(Source {
            id: audience.id,
            name: audience.name.to_string(),
        })
    };
    rows.iter().map(source).collect()
}

impl ExportPage {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The last of them, where more may follow.
    pub fn next(&self) -> Option<ContactId> {
        let is_full = i64::try_from(self.0.len()).is_ok_and(|rows| rows >= PAGE);
        let last = self.0.last().filter(|_| is_full)?;
        Some(ContactId(last.get("contact_id")))
    }

    /// As they are written.
    pub fn members<'a>(&'a self, of: &'a Source) -> impl Iterator<Item = Exported<'a>> {
        self.0.iter().map(|row| Exported {
            audience: of.id,
            name: &of.name,
            contact: ContactId(row.get("contact_id")),
            join_time: row.get::<_, Option<DateTime<Utc>>>("member_since_time"),
            update_time: row.get("update_time"),
            message_id: row.get::<_, &str>("update_message_id"),
        })
    }
}
