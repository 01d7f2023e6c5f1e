//! The statements, for the services that run some of them, and whose tests look at the plans of
//! all. Each begins with `account_id`, and finds its rows by their key.

/// The batch's usage row: account, window, batch, units.
pub const CHARGE: &str =
    "INSERT INTO usage (account_id, window_day, batch_id, units) VALUES ($1, $2, $3, $4)";

/// Makes the account's row where it is missing. The loser of a race must not fail.
pub const ANCHOR: &str = "INSERT INTO accounts (account_id) VALUES ($1) ON CONFLICT DO NOTHING";

pub(crate) const HAS_ACCOUNT: &str = "SELECT FROM accounts WHERE account_id = $1";

pub const CLOSE: &str = "
    INSERT INTO usage (account_id, window_day, batch_id, units)
    SELECT a.account_id, u.window_day, u.batch_id, 0
    FROM accounts a CROSS JOIN unnest($2::date[], $3::uuid[]) u (window_day, batch_id)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, window_day, batch_id) DO NOTHING";

pub const UNITS: &str = "
    SELECT u.window_day, u.batch_id, g.units
    FROM unnest($2::date[], $3::uuid[]) u (window_day, batch_id)
    CROSS JOIN LATERAL (
        SELECT g.units FROM usage g WHERE g.account_id = $1
            AND g.window_day = u.window_day AND g.batch_id = u.batch_id LIMIT 1
    ) g";

// Who grants under an epoch is said when it begins, and never changes.
pub const RAISE: &str = "
    UPDATE accounts SET
        granted_by = CASE WHEN $2::bigint > usage_epoch THEN $4::text ELSE granted_by END,
        usage_epoch = GREATEST(usage_epoch, $2::bigint)
    WHERE account_id = $1 AND $2::bigint - $3::bigint <= usage_epoch
    RETURNING usage_epoch, granted_by";

/// What was granted under epochs that are past: nothing of it can be stored.
pub const DROP_GRANTS: &str = "DELETE FROM usage_grants WHERE account_id = $1 AND epoch < $2";
pub const DROP_LEASES: &str = "DELETE FROM usage_leases WHERE account_id = $1 AND epoch < $2";

pub const HOLD: &str = "
    SELECT held_by, hold_end_time FROM usage_grants
    WHERE account_id = $1 AND epoch = $2 AND hold_end_time > $3
    ORDER BY hold_end_time DESC LIMIT 1";

// Windows in which batches were closed only are left out: they would make the answer long.
pub const SUMS: &str = "
    SELECT window_day, sum(units)::bigint AS units FROM usage
    WHERE account_id = $1 AND window_day >= $2 AND units <> 0
    GROUP BY window_day ORDER BY window_day";

/// What windows came to that are over, behind the last that is written down. Whoever comes second
/// finds nothing.
pub const SUM_UP: &str = "
    INSERT INTO usage_days (account_id, window_day, units)
    SELECT g.account_id, g.window_day, sum(g.units)::bigint FROM usage g
    WHERE g.account_id = $1 AND g.window_day < $2
        AND g.window_day > COALESCE(
            (SELECT max(d.window_day) FROM usage_days d WHERE d.account_id = $1), '-infinity')
    GROUP BY g.account_id, g.window_day
    ON CONFLICT (account_id, window_day) DO NOTHING";

/// Those that are written down, and the sums of what is behind them.
pub const WINDOWS: &str = "
    SELECT window_day, units FROM usage_days
    WHERE account_id = $1 AND window_day >= $2 AND units <> 0
    UNION ALL
    SELECT window_day, sum(units)::bigint AS units FROM usage
    WHERE account_id = $1 AND window_day >= $2 AND units <> 0
        AND window_day > COALESCE(
            (SELECT max(d.window_day) FROM usage_days d WHERE d.account_id = $1), '-infinity')
    GROUP BY window_day ORDER BY window_day";

pub const PURGE_DAYS: &str = "DELETE FROM usage_days WHERE account_id = $1 AND window_day < $2";

/// Where a piece that is purged ends.
pub const PURGE_END: &str = "
    SELECT window_day, batch_id FROM usage
    WHERE account_id = $1 AND window_day < $2
    ORDER BY window_day, batch_id LIMIT 1 OFFSET $3";

pub const PURGE: &str = "
    DELETE FROM usage
    WHERE account_id = $1 AND window_day < $2 AND (window_day, batch_id) <= ($3, $4)";

pub const PURGE_GRANTS: &str = "DELETE FROM usage_grants WHERE account_id = $1 AND window_day < $2";

pub const STANDS: &str = "SELECT usage_epoch, granted_by FROM accounts WHERE account_id = $1";

/// The account's lock of grants, and what is used.
pub const LOCK_GRANTS: &str = "
    SELECT window_day, used, held_by, hold_end_time FROM usage_grants
    WHERE account_id = $1 AND epoch = $2 ORDER BY window_day FOR UPDATE";

/// As many as batches are under way.
pub const LEASES: &str = "
    SELECT batch_id, window_day, units, expire_time FROM usage_leases
    WHERE account_id = $1 AND epoch = $2 ORDER BY expire_time";

/// A window begins with what is charged in it: under the epoch nothing was granted in it before.
/// Who comes second finds the row of the first.
pub const OPEN: &str = "
    INSERT INTO usage_grants (account_id, window_day, epoch, used)
    SELECT a.account_id, $2::date, $3::bigint, (
        SELECT COALESCE(sum(g.units), 0)::bigint FROM usage g
        WHERE g.account_id = $1 AND g.window_day = $2::date)
    FROM accounts a WHERE a.account_id = $1
    ON CONFLICT (account_id, window_day) DO UPDATE
    SET epoch = excluded.epoch, used = excluded.used, held_by = NULL, hold_end_time = NULL
    WHERE usage_grants.epoch < excluded.epoch";

pub const LEASE: &str = "
    INSERT INTO usage_leases (account_id, batch_id, window_day, epoch, units, expire_time)
    SELECT a.account_id, $2::uuid, $3::date, $4::bigint, $5::bigint, $6::timestamptz
    FROM accounts a WHERE a.account_id = $1
    ON CONFLICT (account_id, batch_id) DO UPDATE
    SET window_day = excluded.window_day, epoch = excluded.epoch, units = excluded.units,
        expire_time = excluded.expire_time
    WHERE usage_leases.epoch < excluded.epoch";

pub const RELEASE: &str =
    "DELETE FROM usage_leases WHERE account_id = $1 AND batch_id = ANY($2::uuid[])";

pub const BOOK: &str = "
    UPDATE usage_grants SET used = used + $4::bigint
    WHERE account_id = $1 AND epoch = $2 AND window_day = $3";

pub const TAKE_HOLD: &str = "
    UPDATE usage_grants SET held_by = $4, hold_end_time = $5
    WHERE account_id = $1 AND epoch = $2 AND window_day = $3";
