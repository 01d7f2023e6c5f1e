//! PostgreSQL: the only place that knows it.
//!
//! Every statement names the account, and its transaction is the account's; ids and times come as
//! parameters; a batch's statements take arrays and are sent without waiting for each other.

mod batch;
mod contacts;
mod erasures;
mod export;
mod identifiers;
mod kept;
mod links;
mod marks;
mod outbox;
mod people;
mod purge;
mod reindex;
mod search;
mod values;

use chrono::{DateTime, Utc};
use weir_postgres::{Client, Failure, Migration, Open, Pool, work};

use kept::KeptCounts;
use links::Links;
use marks::Marks;

pub use batch::{AccountRow, BatchTx, NotStored, Piece, Rows};
pub use erasures::{Due, ErasureTx, Found, KEPT};
pub use export::{ExportPage, Exporting, Following, Needs};
pub use identifiers::{Changed, keep_caseless};
pub use outbox::{OutboxRow, Parcel, first_id_of};
pub use purge::Aged;
pub use reindex::{Begun, Ended};
pub use search::{Build, Kinds, Searching};

/// The schema, file by file.
pub const MIGRATIONS: [Migration; 10] = [
    Migration {
        number: 1,
        oldest: 1,
        name: "contacts",
        sql: include_str!("../migrations/0001_contacts.sql"),
    },
    weir_ledger::migration(2),
    work::migration(3),
    Migration {
        number: 4,
        oldest: 4,
        name: "work of before",
        sql: include_str!("../migrations/0004_work_of_before.sql"),
    },
    weir_changes::migration(5),
    Migration {
        number: 6,
        oldest: 6,
        name: "merges that stand, once",
        sql: include_str!("../migrations/0006_merges_that_stand.sql"),
    },
    Migration {
        number: 7,
        oldest: 7,
        name: "merges that stand, as before",
        sql: include_str!("../migrations/0007_merges_standing.sql"),
    },
    Migration {
        number: 8,
        oldest: 8,
        name: "folding",
        sql: include_str!("../migrations/0008_folding.sql"),
    },
    weir_ledger::days_migration(9),
    weir_ledger::grants_migration(10),
];

/// Tables with an `account_id` that have no policy.
pub const OPEN: Open = &[work::OPEN];

/// The service's tables.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    links: Links,
    kept_counts: KeptCounts,
    marks: Marks,
}

impl Store {
    /// Over a pool whose role works in the service's schema. Its cache of links has so many entries.
    pub fn new(pool: Pool, link_cache_entries: u32) -> Self {
        Self {
            pool,
            links: Links::new(link_cache_entries),
            kept_counts: KeptCounts::default(),
            marks: Marks::default(),
        }
    }

    /// A connection of its own.
    ///
    /// # Errors
    /// When PostgreSQL is away or all connections stay busy.
    pub async fn client(&self) -> Result<Client, Failure> {
        Ok(self.pool.get().await?)
    }

    /// Whether PostgreSQL answers.
    pub async fn is_there(&self) -> bool {
        match self.client().await {
            Ok(client) => client.unscoped().simple_query("SELECT 1").await.is_ok(),
            Err(_) => false,
        }
    }
}

/// Stored times have microseconds.
fn micros_of(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

fn time_of(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}
