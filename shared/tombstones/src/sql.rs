//! The statements, for the services that run them, and whose tests look at the plans of all. Each
//! names the account, and finds its rows by their key.

/// Takes the account's row, and writes down when it was: account, time, a key where there is none
/// yet. Answers the key that stands. The generation of the account's links grows with each deletion,
/// whatever clocks say.
pub const BEGIN: &str = "
    UPDATE accounts
    SET last_delete_time = GREATEST(last_delete_time, $2),
        erasure_key = COALESCE(erasure_key, $3),
        links_generation = links_generation + 1
    WHERE account_id = $1
    RETURNING erasure_key";

/// Hashes of identifiers, and when their person was deleted.
pub const NOTE: &str = "
    INSERT INTO deletions AS d (account_id, identifier_hash, delete_time)
    SELECT a.account_id, u.identifier_hash, $3
    FROM accounts a CROSS JOIN unnest($2::bytea[]) AS u (identifier_hash)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, identifier_hash) DO UPDATE
    SET delete_time = GREATEST(d.delete_time, excluded.delete_time)";

/// Those of these that are there.
pub const LOOK_UP: &str = "
    SELECT u.n, d.delete_time
    FROM unnest($2::bytea[]) WITH ORDINALITY AS u (identifier_hash, n)
    CROSS JOIN LATERAL (
        SELECT delete_time FROM deletions
        WHERE account_id = $1 AND identifier_hash = u.identifier_hash
        LIMIT 1
    ) AS d";
