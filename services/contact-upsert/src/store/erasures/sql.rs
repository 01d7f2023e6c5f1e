//! The statements of a deletion.

pub(super) const ONE: &str = "
    SELECT deletion_id, contact_id, request_time, done_time, counts::text AS counts
    FROM erasures WHERE account_id = $1 AND deletion_id = $2";

pub(super) const UNIQUE: &str = "
    SELECT unique_identifiers, caseless_identifiers FROM accounts WHERE account_id = $1";

/// A contact, and all that were merged into it.
pub(super) const FAMILY: &str = "
    WITH RECURSIVE family AS (
        SELECT $2::uuid AS contact_id
        UNION
        SELECT next.merged_id
        FROM family CROSS JOIN LATERAL (
            SELECT merged_id FROM merges
            WHERE account_id = $1 AND survivor_id = family.contact_id AND split_time IS NULL
            OFFSET 0
        ) AS next)
    SELECT contact_id FROM family";

pub(super) const IDENTIFIERS: &str = "
    SELECT i.kind, i.value
    FROM unnest($2::uuid[]) AS k (contact_id)
    CROSS JOIN LATERAL (
        SELECT * FROM identifiers
        WHERE account_id = $1 AND contact_id = k.contact_id
        OFFSET 0
    ) AS i";

pub(super) const ROWS: &str = "
    SELECT c.fields::text AS fields, c.registers::text AS registers
    FROM unnest($2::uuid[]) AS k (contact_id)
    CROSS JOIN LATERAL (
        SELECT * FROM contacts
        WHERE account_id = $1 AND contact_id = k.contact_id
        LIMIT 1
    ) AS c";

/// Also those that were undone: they hold what was known of one of them.
pub(super) const MERGES: &str = "
    WITH found AS (
        SELECT m.merge_id
        FROM unnest($2::uuid[]) AS k (contact_id)
        CROSS JOIN LATERAL (
            SELECT merge_id FROM merges
            WHERE account_id = $1 AND survivor_id = k.contact_id OFFSET 0
        ) AS m
        UNION
        SELECT m.merge_id
        FROM unnest($2::uuid[]) AS k (contact_id)
        CROSS JOIN LATERAL (
            SELECT merge_id FROM merges
            WHERE account_id = $1 AND merged_id = k.contact_id OFFSET 0
        ) AS m
    )
    SELECT m.merge_id, (m.before -> 'fields')::text AS fields,
           (m.before -> 'registers')::text AS registers
    FROM found
    CROSS JOIN LATERAL (
        SELECT * FROM merges WHERE account_id = $1 AND merge_id = found.merge_id LIMIT 1
    ) AS m";

pub(super) const DELETE_CONTACT: &str =
    "DELETE FROM contacts WHERE account_id = $1 AND contact_id = $2";

/// Behind the contact itself, which whoever writes them holds.
pub(super) const DELETE_TEXTS: &str =
    "DELETE FROM contact_texts WHERE account_id = $1 AND contact_id = $2";

pub(super) const DELETE_MERGE: &str = "DELETE FROM merges WHERE account_id = $1 AND merge_id = $2";

pub(super) const DELETE_ABSORPTIONS: &str =
    "DELETE FROM absorptions WHERE account_id = $1 AND contact_id = $2";

/// IS TRUE keeps the index by contact out of it.
pub(super) const DELETE_IDENTIFIER: &str = "
    DELETE FROM identifiers
    WHERE account_id = $1 AND kind = $2 AND value = $3 AND (contact_id = ANY ($4)) IS TRUE";

pub(super) const DELETE_KEPT: &str = "
    DELETE FROM kept_removes WHERE account_id = $1 AND kind = $2 AND value = $3";

pub(super) const DELETE_MARK: &str = "
    DELETE FROM identifiers
    WHERE account_id = $1 AND kind = $2 AND value = $3
      AND (contact_id = '00000000-0000-0000-0000-000000000000') IS TRUE";

/// It is to be told at once.
pub(super) const INSERT: &str = "
    INSERT INTO erasures (account_id, deletion_id, contact_id, request_time, next_time, rounds,
                          payload, counts)
    SELECT a.account_id, $2::uuid, $3::uuid, $4::timestamptz, $4::timestamptz, 0, $5::text,
           ($6::text)::json
    FROM accounts a
    WHERE a.account_id = $1";

pub(super) const DUE: &str = "
    SELECT deletion_id, contact_id, request_time, done_time, rounds, payload,
           counts::text AS counts
    FROM erasures
    WHERE account_id = $1 AND next_time <= $2
    ORDER BY next_time LIMIT $3";

pub(super) const NEXT: &str = "
    SELECT min(next_time) AS next_time FROM erasures
    WHERE account_id = $1 AND next_time IS NOT NULL";

pub(super) const OLDER_MESSAGE: &str = "
    SELECT FROM outbox WHERE account_id = $1 AND outbox_id < $2 LIMIT 1";

/// What is done keeps nothing that names anybody.
pub(super) const TOLD: &str = "
    UPDATE erasures
    SET counts = ($3::text)::json, rounds = $4, next_time = $5, done_time = $6::timestamptz,
        payload = CASE WHEN $6::timestamptz IS NULL THEN payload END
    WHERE account_id = $1 AND deletion_id = $2";
