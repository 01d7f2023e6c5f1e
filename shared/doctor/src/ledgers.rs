//! What the ledgers hold, and what plans allow.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use tokio_postgres::Transaction;
use uuid::Uuid;

/// Before today: the windows that counters may still speak of.
const DAYS: i32 = 2;

/// What an account was charged in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// Whose.
    pub account: Uuid,
    /// The UTC day.
    pub window: NaiveDate,
    /// By contact-upsert.
    pub profile: i64,
    /// By activity.
    pub activity: i64,
}

/// What an account may be charged in a window by its present plan.
pub type Limits = (i64, i64);

/// Both ledgers at one moment.
pub(crate) struct Ledgers {
    /// By account and window, in order.
    pub sums: Vec<Sum>,
    /// Of each account the higher one of both: what is below can't be stored any more.
    pub epochs: BTreeMap<Uuid, i64>,
}

impl Ledgers {
    pub fn of(&self, account: Uuid, window: NaiveDate) -> (i64, i64) {
        let key = |sum: &Sum| (sum.account, sum.window);
        match self.sums.binary_search_by_key(&(account, window), key) {
            Ok(place) => (self.sums[place].profile, self.sums[place].activity),
            Err(_) => (0, 0),
        }
    }
}

/// Sums both, as far as they are in this database.
pub(crate) async fn sums(
    moment: &Transaction<'_>,
    schemas: &[String],
    account: Option<Uuid>,
) -> anyhow::Result<Ledgers> {
    let mut sums: BTreeMap<(Uuid, NaiveDate), (i64, i64)> = BTreeMap::new();
    let mut epochs = BTreeMap::new();
    for (place, schema) in ["contact", "activity"].into_iter().enumerate() {
        if !schemas.iter().any(|there| there == schema) {
            continue;
        }
        let sql = format!(
            "SELECT account_id, window_day, sum(units)::bigint AS units FROM {schema}.usage
             WHERE window_day >= (now() AT TIME ZONE 'UTC')::date - {DAYS}
               AND ($1::uuid IS NULL OR account_id = $1)
             GROUP BY account_id, window_day HAVING sum(units) <> 0"
        );
        for row in moment.query(&sql, &[&account]).await? {
            let sum = sums.entry((row.get(0), row.get(1))).or_default();
            let units: i64 = row.get(2);
            if place == 0 {
                sum.0 = units;
            } else {
                sum.1 = units;
            }
        }
        let sql = format!(
            "SELECT account_id, usage_epoch FROM {schema}.accounts
             WHERE $1::uuid IS NULL OR account_id = $1"
        );
        for row in moment.query(&sql, &[&account]).await? {
            let epoch: i64 = row.get(1);
            let known = epochs.entry(row.get(0)).or_insert(epoch);
            *known = epoch.max(*known);
        }
    }
    let sums = sums.into_iter().map(|((account, window), units)| Sum {
        account,
        window,
        profile: units.0,
        activity: units.1,
    });
    Ok(Ledgers {
        sums: sums.collect(),
        epochs,
    })
}

/// Of all accounts that mapping knows.
pub(crate) async fn limits(
    moment: &Transaction<'_>,
    account: Option<Uuid>,
) -> anyhow::Result<BTreeMap<Uuid, Limits>> {
    let sql = "SELECT a.account_id,
            (a.included_contacts + a.additional_contacts)::numeric AS contacts,
            a.profile_factor, a.activity_factor,
            (SELECT count(DISTINCT m.activity_id) FROM mapping.activity_mappings m
             WHERE m.account_id = a.account_id) AS mapped
        FROM mapping.accounts a
        WHERE a.delete_time IS NULL AND ($1::uuid IS NULL OR a.account_id = $1)";
    let sql = format!(
        "SELECT account_id, least(contacts * profile_factor, 9e15)::bigint,
             least(contacts * activity_factor * mapped, 9e15)::bigint FROM ({sql}) a"
    );
    let rows = moment.query(&sql, &[&account]).await?;
    let limits = rows
        .iter()
        .map(|row| (row.get(0), (row.get(1), row.get(2))));
    Ok(limits.collect())
}
