//! Counts of activities by activity and day (semantics 4.12).

use chrono::NaiveDate;
use futures_util::future::try_join_all;
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::AccountId;

use super::{NotDone, Param, Store, Tx};
use crate::domain::Tally;

macro_rules! add {
    () => {
        "INSERT INTO activity_counts AS c (account_id, activity_id, day, slot, event_name, stored,
            discarded)
        SELECT a.account_id, u.activity_id, u.day, $2::smallint, u.event_name, u.stored, u.discarded
        FROM accounts a CROSS JOIN unnest($3::uuid[], $4::date[], $5::text[], $6::bigint[],
            $7::bigint[]) u (activity_id, day, event_name, stored, discarded)
        WHERE a.account_id = $1
        ON CONFLICT (account_id, activity_id, day, slot) DO UPDATE
        SET stored = c.stored + excluded.stored, discarded = c.discarded + excluded.discarded"
    };
}

pub(super) const ADD: &str = add!();

// The usage row comes last: whoever has it waits for nobody any more. (Citus takes the name of what
// a second insert returns only by an alias.)
pub(super) const ADD_AND_CHARGE: &str = concat!(
    "WITH counted AS (",
    add!(),
    " RETURNING slot
    ), charged AS (
        INSERT INTO usage AS u (account_id, window_day, batch_id, units)
        SELECT a.account_id, $8::date, $9::uuid, $10::integer FROM accounts a
        WHERE a.account_id = $1 AND (SELECT count(*) FROM counted) >= 0
        RETURNING u.units
    )
    SELECT units FROM charged"
);

// Days that are over, some of whose rows are several. What is locked is not waited for.
pub(super) const TO_FOLD: &str = "
    SELECT activity_id, day, slot FROM activity_counts
    WHERE account_id = $1 AND day < $2 AND slot > 0 LIMIT $3 FOR UPDATE SKIP LOCKED";

pub(super) const TAKE: &str = "
    DELETE FROM activity_counts
    WHERE account_id = $1 AND activity_id = $2 AND day = $3 AND slot = $4
    RETURNING activity_id, day, event_name, stored, discarded";

/// Folded by one transaction.
const ROWS: i64 = 1_000;

/// A tally as the arrays that statements take.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub activities: Vec<Uuid>,
    pub days: Vec<NaiveDate>,
    pub names: Vec<&'a str>,
    pub stored: Vec<i64>,
    pub discarded: Vec<i64>,
}

impl<'a> Columns<'a> {
    pub fn of(tally: &'a Tally) -> Self {
        let mut columns = Self::default();
        for (activity, day, added) in tally.rows() {
            columns.activities.push(activity.0);
            columns.days.push(day);
            columns.names.push(&added.event_name);
            columns.stored.push(added.stored);
            columns.discarded.push(added.discarded);
        }
        columns
    }
}

impl Tx<'_> {
    /// Adds to the counts; to be called once a transaction, behind all other locks.
    ///
    /// # Errors
    /// Of the database.
    pub async fn count_activities(&self, tally: &Tally, slot: i16) -> Result<(), NotDone> {
        if tally.is_empty() {
            return Ok(());
        }
        let Columns {
            activities,
            days,
            names,
            stored,
            discarded,
        } = Columns::of(tally);
        let account = &self.account_id.0;
        let params: [Param<'_>; 7] = [
            account,
            &slot,
            &activities,
            &days,
            &names,
            &stored,
            &discarded,
        ];
        self.execute(ADD, &params).await?;
        Ok(())
    }
}

impl Store {
    /// Folds some rows of days before this one, and answers how many; whether there may be more.
    ///
    /// # Errors
    /// Of the database.
    pub async fn fold_counts(
        &self,
        account: AccountId,
        before: NaiveDate,
    ) -> Result<(u64, bool), NotDone> {
        let mut connection = self.connection().await?;
        let tx = connection.begin(account);
        let rows = tx.query(TO_FOLD, &[&account.0, &before, &ROWS]).await?;
        let take = tx.prepare(TAKE).await?;
        let taking = rows.iter().map(|row| async {
            let (activity, day): (Uuid, NaiveDate) = (row.get("activity_id"), row.get("day"));
            let slot: i16 = row.get("slot");
            let params: [Param<'_>; 4] = [&account.0, &activity, &day, &slot];
            tx.inner.query(&take, &params).await
        });
        let taken: Vec<Row> = try_join_all(taking).await?.into_iter().flatten().collect();
        let mut tally = Tally::default();
        for row in &taken {
            let name: String = row.get("event_name");
            tally.add(
                row.get::<_, Uuid>("activity_id").into(),
                row.get("day"),
                &name.into(),
                row.get("stored"),
                row.get("discarded"),
            );
        }
        tx.count_activities(&tally, 0).await?;
        tx.commit().await?;
        let is_more = i64::try_from(rows.len()).is_ok_and(|rows| rows == ROWS);
        Ok((taken.len() as u64, is_more))
    }
}
