//! Searching contacts: a range of an index for each way that a search goes.

use std::collections::HashMap;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::{AccountId, ContactId};
use weir_postgres::{Client, Failure, Tx};

use super::Store;
use super::contacts::profiles;
use crate::domain::StoredProfile;
use crate::domain::search::{Lane, SearchTexts, behind};

mod build;

pub use build::Build;

// Each of these goes through its index in order from where the last page ended, and looks at as
// many entries as it answers.

const FORWARD: &str = "
    SELECT contact_id, forward AS value FROM contact_texts
    WHERE account_id = $1 AND (forward, contact_id) > ($2, $3) AND forward < $4
    ORDER BY forward, contact_id LIMIT $5";

const BACKWARD: &str = "
    SELECT contact_id, backward AS value FROM contact_texts
    WHERE account_id = $1 AND (backward, contact_id) > ($2, $3) AND backward < $4
    ORDER BY backward, contact_id LIMIT $5";

const NAME: &str = "
    SELECT contact_id, name AS value FROM contact_texts
    WHERE account_id = $1 AND (name, contact_id) > ($2, $3) AND name < $4
    ORDER BY name, contact_id LIMIT $5";

const EMAIL: &str = "
    SELECT contact_id, email AS value FROM contact_texts
    WHERE account_id = $1 AND (email, contact_id) > ($2, $3) AND email < $4
    ORDER BY email, contact_id LIMIT $5";

const PHONE: &str = "
    SELECT contact_id, phone AS value FROM contact_texts
    WHERE account_id = $1 AND (phone, contact_id) > ($2, $3) AND phone < $4
    ORDER BY phone, contact_id LIMIT $5";

const EXTERNAL: &str = "
    SELECT contact_id, external AS value FROM contact_texts
    WHERE account_id = $1 AND (external, contact_id) > ($2, $3) AND external < $4
    ORDER BY external, contact_id LIMIT $5";

/// Each value is there once, so it alone says where a page ended. Rows that lead to nobody are
/// nobody's.
const IDENTIFIERS: &str = "
    SELECT contact_id, value FROM identifiers
    WHERE account_id = $1 AND kind = $2 AND value >= $3 AND value > $4 AND value < $5
      AND contact_id <> '00000000-0000-0000-0000-000000000000'
    ORDER BY value LIMIT $6";

/// There are few: from each the next one, by the index.
const KINDS: &str = "
    WITH RECURSIVE kinds AS (
        (SELECT kind FROM identifiers WHERE account_id = $1 AND kind > '' ORDER BY kind LIMIT 1)
        UNION ALL
        SELECT next.kind
        FROM kinds CROSS JOIN LATERAL (
            SELECT kind FROM identifiers
            WHERE account_id = $1 AND kind > kinds.kind
            ORDER BY kind LIMIT 1
        ) AS next)
    SELECT kind FROM kinds";

const CASELESS: &str = "SELECT caseless_identifiers FROM accounts WHERE account_id = $1";

const BY_IDS: &str = "
    SELECT c.contact_id, c.fields::text, c.registers::text, c.create_time, c.update_time
    FROM unnest($2::uuid[]) AS k (contact_id)
    CROSS JOIN LATERAL (
        SELECT * FROM contacts
        WHERE account_id = $1 AND contact_id = k.contact_id AND redirect_to IS NULL
        LIMIT 1
    ) AS c";

/// Texts as arrays, one for each column.
pub(super) struct TextColumns<'t> {
    ids: Vec<Uuid>,
    columns: [Vec<Option<&'t str>>; 6],
}

impl<'t> TextColumns<'t> {
    pub fn of(rows: &'t [(ContactId, SearchTexts)]) -> Self {
        let column = |of: fn(&SearchTexts) -> &Option<String>| -> Vec<Option<&'t str>> {
            rows.iter().map(|(_, texts)| of(texts).as_deref()).collect()
        };
        Self {
            ids: rows.iter().map(|(id, _)| id.0).collect(),
            columns: [
                column(|texts| &texts.forward),
                column(|texts| &texts.backward),
                column(|texts| &texts.name),
                column(|texts| &texts.email),
                column(|texts| &texts.phone),
                column(|texts| &texts.external),
            ],
        }
    }

    /// Of the statement that writes them.
    pub fn parameters<'p>(&'p self, account: &'p Uuid) -> [&'p (dyn ToSql + Sync); 8] {
        let [forward, backward, name, email, phone, external] = &self.columns;
        [
            account, &self.ids, forward, backward, name, email, phone, external,
        ]
    }
}

/// A search under way, over one moment.
pub struct Searching<'c> {
    account: AccountId,
    snapshot: Tx<'c>,
}

/// Which kinds of identifiers an account has, and which of them are compared without case besides
/// `str::email`.
#[derive(Debug)]
pub struct Kinds {
    pub all: Vec<String>,
    pub caseless: Vec<String>,
}

impl Store {
    /// Begins, on this connection.
    pub fn search<'c>(&self, client: &'c mut Client, account: AccountId) -> Searching<'c> {
        let snapshot = Tx::snapshot(client, account);
        Searching { account, snapshot }
    }
}

impl Searching<'_> {
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn kinds(&self) -> Result<Kinds, Failure> {
        let kinds = self.snapshot.prepare_cached(KINDS).await?;
        let caseless = self.snapshot.prepare_cached(CASELESS).await?;
        let account: [&(dyn ToSql + Sync); 1] = [&self.account.0];
        let (kinds, caseless) = tokio::try_join!(
            self.snapshot.query(&kinds, &account),
            self.snapshot.query_opt(&caseless, &account),
        )?;
        Ok(Kinds {
            all: kinds.iter().map(|row| row.get("kind")).collect(),
            caseless: caseless.map_or_else(Vec::new, |row| row.get("caseless_identifiers")),
        })
    }

    /// Entries of a lane that begin so, in order, behind `after`; at most `limit`.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn entries(
        &self,
        lane: &Lane,
        beginning: &str,
        after: Option<(&str, ContactId)>,
        limit: usize,
    ) -> Result<Vec<(ContactId, String)>, Failure> {
        let end = behind(beginning);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let account = &self.account.0;
        let rows = match lane {
            Lane::Identifiers(_, kind) => {
                let after = after.map_or("", |(value, _)| value);
                let found = self.snapshot.prepare_cached(IDENTIFIERS).await?;
                let parameters: [&(dyn ToSql + Sync); 6] =
                    [account, kind, &beginning, &after, &end, &limit];
                self.snapshot.query(&found, &parameters).await?
            }
            column => {
                let (value, id) = after.unwrap_or((beginning, ContactId(Uuid::nil())));
                let found = self.snapshot.prepare_cached(of_column(column)).await?;
                let parameters: [&(dyn ToSql + Sync); 5] = [account, &value, &id.0, &end, &limit];
                self.snapshot.query(&found, &parameters).await?
            }
        };
        let entry = |row: &Row| (ContactId(row.get("contact_id")), row.get("value"));
        Ok(rows.iter().map(entry).collect())
    }

    /// These contacts, as they are read back.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn contacts(
        &self,
        ids: &[ContactId],
    ) -> Result<HashMap<ContactId, StoredProfile>, Failure> {
        let mut ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        ids.sort_unstable();
        ids.dedup();
        let by_ids = self.snapshot.prepare_cached(BY_IDS).await?;
        let rows = self
            .snapshot
            .query(&by_ids, &[&self.account.0, &ids])
            .await?;
        let read = profiles(&self.snapshot, self.account, rows).await?;
        Ok(read.into_iter().map(|one| (one.id, one)).collect())
    }
}

fn of_column(lane: &Lane) -> &'static str {
    match lane {
        Lane::Forward | Lane::Identifiers(..) => FORWARD,
        Lane::Backward => BACKWARD,
        Lane::Name => NAME,
        Lane::Email => EMAIL,
        Lane::Phone => PHONE,
        Lane::External => EXTERNAL,
    }
}
