//! What a ledger grants while Redis is away, against what it charged (semantics 6.6a).
//!
//! A window's row and its leases are changed along with the batches that they settle, and a batch
//! is charged under its lease or not at all: so at any one moment what is booked as used is what
//! is charged, but for batches that still have their lease. What is of a past epoch counts for
//! nothing, and may be left over.

use crate::Check;

/// Of the last windows: older ones are dropped piece by piece.
macro_rules! agrees {
    ($promise:literal, $schema:literal) => {
        Check {
            promise: $promise,
            schemas: &[$schema],
            is_relayed: false,
            query: concat!(
                "WITH granting AS MATERIALIZED (
                    SELECT account_id, usage_epoch AS epoch FROM ", $schema, ".accounts
                    WHERE granted_by = 'ledgers'
                ), grants AS (
                    SELECT g.* FROM granting JOIN ", $schema, ".usage_grants g
                        USING (account_id, epoch)
                    WHERE g.window_day >= (now() AT TIME ZONE 'UTC')::date - 2
                ), leases AS (
                    SELECT l.* FROM granting JOIN ", $schema, ".usage_leases l
                        USING (account_id, epoch)
                )
                SELECT g.account_id, 'of ' || g.window_day || ' ' || g.used
                    || ' units are booked, and ' || s.units || ' charged by batches that are settled'
                    AS found
                FROM grants g CROSS JOIN LATERAL (
                    SELECT coalesce(sum(u.units), 0)::bigint AS units FROM ", $schema, ".usage u
                    WHERE u.account_id = g.account_id AND u.window_day = g.window_day
                      AND NOT EXISTS (SELECT FROM leases l WHERE l.account_id = u.account_id
                          AND l.window_day = u.window_day AND l.batch_id = u.batch_id)) s
                WHERE g.used <> s.units
                UNION ALL
                SELECT l.account_id, 'batch ' || l.batch_id || ' was charged ' || u.units
                    || ' units, and granted ' || l.units
                FROM leases l JOIN ", $schema, ".usage u USING (account_id, window_day, batch_id)
                WHERE u.units > l.units
                UNION ALL
                SELECT l.account_id, 'batch ' || l.batch_id || ' was granted units of '
                    || l.window_day || ', of which nothing is booked'
                FROM leases l LEFT JOIN ", $schema, ".usage_grants g
                    USING (account_id, window_day, epoch)
                WHERE g.account_id IS NULL
                UNION ALL
                SELECT a.account_id, 'grants of ' || r.epoch || ', an epoch that is not there yet'
                FROM (SELECT account_id, epoch FROM ", $schema, ".usage_grants
                      UNION SELECT account_id, epoch FROM ", $schema, ".usage_leases) r
                JOIN ", $schema, ".accounts a USING (account_id)
                WHERE r.epoch > a.usage_epoch"
            ),
        }
    };
}

pub(crate) const PROFILE: Check = agrees!(
    "profile units that the ledger granted are those it charged (semantics 6.6a)",
    "contact"
);
pub(crate) const ACTIVITY: Check = agrees!(
    "activity units that the ledger granted are those it charged (semantics 6.6a)",
    "activity"
);
