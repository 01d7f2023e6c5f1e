//! The statements of a batch.

/// Held shared until the batch is stored: raising the epoch or the version waits for it.
pub(super) const ACCOUNT: &str = "
    SELECT usage_epoch, identifiers_version, caseless_identifiers, unique_identifiers,
           key_strategy, next_unique_identifiers, next_key_strategy, source_ids, links_generation,
           last_delete_time, erasure_key, is_searched
    FROM accounts WHERE account_id = $1 FOR SHARE";

// The look-ups are LATERAL and can't be flattened (LIMIT, OFFSET 0, FOR UPDATE), so that each
// key is one probe of the index. As a plain join, a plan made while the table was young reads
// all of the account's rows for every batch, and is kept until the table is analysed.

pub(super) const LINKS: &str = "
    SELECT k.ordinal, i.contact_id, i.version, i.link_time, i.event_time, i.message_id
    FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS k (kind, value, ordinal)
    CROSS JOIN LATERAL (
        SELECT * FROM identifiers
        WHERE account_id = $1 AND kind = k.kind AND value = k.value
        LIMIT 1
    ) AS i";

/// With what they are, for whoever does not keep the order.
pub(super) const NAMED_LINKS: &str = "
    SELECT i.kind, i.value, i.contact_id, i.version, i.link_time, i.event_time, i.message_id
    FROM unnest($2::text[], $3::text[]) AS k (kind, value)
    CROSS JOIN LATERAL (
        SELECT * FROM identifiers
        WHERE account_id = $1 AND kind = k.kind AND value = k.value
        LIMIT 1
    ) AS i";

pub(super) const HELD_LINKS: &str = "
    SELECT i.kind, i.value, i.contact_id, i.version, i.link_time, i.event_time, i.message_id
    FROM unnest($2::uuid[]) AS k (contact_id)
    CROSS JOIN LATERAL (
        SELECT * FROM identifiers
        WHERE account_id = $1 AND contact_id = k.contact_id
        OFFSET 0
    ) AS i";

pub(super) const RECEIPTS: &str = "
    SELECT r.event_key, r.contact_id, r.is_stored, r.first_time
    FROM unnest($2::uuid[]) AS k (event_key)
    CROSS JOIN LATERAL (
        SELECT * FROM receipts
        WHERE account_id = $1 AND event_key = k.event_key
        LIMIT 1
    ) AS r";

/// Where the redirects of the contacts end on which events were stored.
pub(super) const CORRECTED: &str = "
    SELECT k.event_key, l.contact_id
    FROM unnest($2::uuid[]) AS k (event_key)
    CROSS JOIN LATERAL (
        SELECT contact_id FROM receipts
        WHERE account_id = $1 AND event_key = k.event_key
        LIMIT 1
    ) AS r
    CROSS JOIN LATERAL (
        WITH RECURSIVE chain AS (
            SELECT first.contact_id, first.redirect_to
            FROM (SELECT r.contact_id AS sought) AS k CROSS JOIN LATERAL (
                SELECT contact_id, redirect_to FROM contacts
                WHERE account_id = $1 AND contact_id = k.sought
                LIMIT 1
            ) AS first
            UNION
            SELECT next.contact_id, next.redirect_to
            FROM chain CROSS JOIN LATERAL (
                SELECT contact_id, redirect_to FROM contacts
                WHERE account_id = $1 AND contact_id = chain.redirect_to
                LIMIT 1
            ) AS next)
        SELECT contact_id FROM chain WHERE redirect_to IS NULL
    ) AS l";

/// Locks in the order of the ids, which are sorted.
pub(super) const LOCK_CONTACTS: &str = "
    SELECT c.contact_id, c.has_user_id, c.fields, c.registers,
           c.redirect_to IS NOT NULL AS redirected
    FROM unnest($2::uuid[]) AS k (contact_id)
    CROSS JOIN LATERAL (
        SELECT * FROM contacts
        WHERE account_id = $1 AND contact_id = k.contact_id
        FOR UPDATE
    ) AS c";

/// Those that nobody holds.
pub(super) const LOCK_FREE_CONTACTS: &str = "
    SELECT c.contact_id, c.has_user_id, c.fields, c.registers,
           c.redirect_to IS NOT NULL AS redirected
    FROM unnest($2::uuid[]) AS k (contact_id)
    CROSS JOIN LATERAL (
        SELECT * FROM contacts
        WHERE account_id = $1 AND contact_id = k.contact_id
        FOR UPDATE SKIP LOCKED
    ) AS c";

pub(super) const INSERT_CONTACTS: &str = "
    INSERT INTO contacts (account_id, contact_id, has_user_id, fields, registers, redirect_to,
                          version, create_time, update_time)
    SELECT a.account_id, u.contact_id, u.has_user_id, u.fields, u.registers,
           u.redirect_to, 1, $7, $7
    FROM accounts a
    CROSS JOIN unnest($2::uuid[], $3::boolean[], $4::json[], $5::json[], $6::uuid[])
               AS u (contact_id, has_user_id, fields, registers, redirect_to)
    WHERE a.account_id = $1";

// What changes rows names them by a unique key to ON CONFLICT: that is a probe of the key for
// each row, whatever the planner knows of the table. An UPDATE that is joined with its values
// may be planned the other way round, every row of the account held against every value; such
// a plan is made while the table is young, and is kept. The rows are there, and locked.

pub(super) const UPDATE_CONTACTS: &str = "
    INSERT INTO contacts AS c (account_id, contact_id, has_user_id, fields, registers,
                               redirect_to, version, create_time, update_time)
    SELECT a.account_id, u.contact_id, u.has_user_id, u.fields, u.registers,
           u.redirect_to, 1, $7, $7
    FROM accounts a
    CROSS JOIN unnest($2::uuid[], $3::boolean[], $4::json[], $5::json[], $6::uuid[])
               AS u (contact_id, has_user_id, fields, registers, redirect_to)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, contact_id) DO UPDATE
    SET has_user_id = excluded.has_user_id, fields = excluded.fields,
        registers = excluded.registers, redirect_to = excluded.redirect_to,
        version = c.version + 1, update_time = excluded.update_time";

/// What these contacts are searched for by, where that is another than it was.
pub(in crate::store) const WRITE_TEXTS: &str = "
    INSERT INTO contact_texts AS t (account_id, contact_id, forward, backward, name, email, phone,
                                    external)
    SELECT a.account_id, u.contact_id, u.forward, u.backward, u.name, u.email, u.phone, u.external
    FROM accounts a
    CROSS JOIN unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                      $8::text[])
               AS u (contact_id, forward, backward, name, email, phone, external)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, contact_id) DO UPDATE
    SET forward = excluded.forward, backward = excluded.backward, name = excluded.name,
        email = excluded.email, phone = excluded.phone, external = excluded.external
    WHERE (t.forward, t.backward, t.name, t.email, t.phone, t.external)
          IS DISTINCT FROM (excluded.forward, excluded.backward, excluded.name, excluded.email,
                            excluded.phone, excluded.external)";

/// Of each row the registers alone; the other values only stand there because they must.
pub(super) const MOVE_REGISTERS: &str = "
    INSERT INTO contacts AS c (account_id, contact_id, has_user_id, fields, registers,
                               version, create_time, update_time)
    SELECT a.account_id, u.contact_id, false, '{}'::json, u.registers, 1, $4, $4
    FROM accounts a
    CROSS JOIN unnest($2::uuid[], $3::json[]) AS u (contact_id, registers)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, contact_id) DO UPDATE
    SET registers = excluded.registers, version = c.version + 1";

/// One row by its whole key, if it is still its holder's. IS TRUE keeps the index by contact
/// out of it.
pub(super) const DELETE_LINK: &str = "
    DELETE FROM identifiers
    WHERE account_id = $1 AND kind = $2 AND value = $3 AND (contact_id = $4) IS TRUE";

/// Moves the rows that still are those of their holders, in the version that is known. A row
/// that should be there and is not is made.
pub(super) const MOVE_LINKS: &str = "
    INSERT INTO identifiers AS i (account_id, kind, value, contact_id, version, link_time,
                                  event_time, message_id, moved_from)
    SELECT a.account_id, u.kind, u.value, u.contact_id, u.version, u.link_time, u.event_time,
           u.message_id, u.moved_from
    FROM accounts a
    CROSS JOIN unnest($2::text[], $3::text[], $4::uuid[], $5::bigint[], $6::timestamptz[],
                      $7::timestamptz[], $8::text[], $9::uuid[])
               AS u (kind, value, contact_id, version, link_time, event_time, message_id,
                     moved_from)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, kind, value) DO UPDATE
    SET contact_id = excluded.contact_id, version = i.version + 1,
        link_time = excluded.link_time, moved_from = excluded.moved_from
    WHERE i.contact_id = excluded.moved_from
      AND (i.kind NOT IN ('u', 'a') OR i.version = excluded.version - 1)";

pub(super) const INSERT_LINKS: &str = "
    INSERT INTO identifiers (account_id, kind, value, contact_id, version, link_time,
                             event_time, message_id)
    SELECT a.account_id, u.kind, u.value, u.contact_id, $8, $7, u.event_time, u.message_id
    FROM accounts a
    CROSS JOIN unnest($2::text[], $3::text[], $4::uuid[], $5::timestamptz[], $6::text[])
               AS u (kind, value, contact_id, event_time, message_id)
    WHERE a.account_id = $1";

pub(super) const INSERT_RECEIPTS: &str = "
    INSERT INTO receipts (account_id, event_key, contact_id, is_stored, first_time, receive_time)
    SELECT a.account_id, u.event_key, u.contact_id, u.is_stored, u.first_time, $6
    FROM accounts a
    CROSS JOIN unnest($2::uuid[], $3::uuid[], $4::boolean[], $5::timestamptz[])
               AS u (event_key, contact_id, is_stored, first_time)
    WHERE a.account_id = $1";

/// As that, where some of the events have a receipt as they said nothing new before: its times
/// stay.
pub(super) const RENEW_RECEIPTS: &str = "
    INSERT INTO receipts AS r (account_id, event_key, contact_id, is_stored, first_time,
                               receive_time)
    SELECT a.account_id, u.event_key, u.contact_id, u.is_stored, u.first_time, $6
    FROM accounts a
    CROSS JOIN unnest($2::uuid[], $3::uuid[], $4::boolean[], $5::timestamptz[])
               AS u (event_key, contact_id, is_stored, first_time)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, event_key) DO UPDATE
    SET contact_id = excluded.contact_id, is_stored = excluded.is_stored
    WHERE NOT r.is_stored";

/// Links, and rows that lead to nobody: under those removes are kept. Only a row that leads to
/// nobody gives way.
pub(super) const INSERT_MARKED: &str = "
    INSERT INTO identifiers AS i (account_id, kind, value, contact_id, version, link_time,
                                  event_time, message_id, moved_from)
    SELECT a.account_id, u.kind, u.value, u.contact_id, u.version, u.link_time, u.event_time,
           u.message_id, u.moved_from
    FROM accounts a
    CROSS JOIN unnest($2::text[], $3::text[], $4::uuid[], $5::bigint[], $6::timestamptz[],
                      $7::timestamptz[], $8::text[], $9::uuid[])
               AS u (kind, value, contact_id, version, link_time, event_time, message_id,
                     moved_from)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, kind, value) DO UPDATE
    SET contact_id = excluded.contact_id, version = excluded.version,
        link_time = excluded.link_time, event_time = excluded.event_time,
        message_id = excluded.message_id, moved_from = NULL
    WHERE i.contact_id = '00000000-0000-0000-0000-000000000000'
      AND i.contact_id IN (excluded.contact_id, excluded.moved_from)";

/// Of rows whose contacts are locked.
pub(super) const SIGN_LINKS: &str = "
    INSERT INTO identifiers AS i (account_id, kind, value, contact_id, version, link_time,
                                  event_time, message_id)
    SELECT a.account_id, u.kind, u.value, u.contact_id, $8, $7, u.event_time,
           u.message_id
    FROM accounts a
    CROSS JOIN unnest($2::text[], $3::text[], $4::uuid[], $5::timestamptz[], $6::text[])
               AS u (kind, value, contact_id, event_time, message_id)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, kind, value) DO UPDATE
    SET event_time = excluded.event_time, message_id = excluded.message_id
    WHERE i.contact_id = excluded.contact_id";

/// The latest stays; one whose time is over is none any more, purged or not.
pub(super) const KEEP_REMOVES: &str = "
    INSERT INTO kept_removes AS k (account_id, kind, value, audience_id, update_time,
                                   message_id, keep_until)
    SELECT a.account_id, u.kind, u.value, u.audience_id, u.update_time, u.message_id,
           u.keep_until
    FROM accounts a
    CROSS JOIN unnest($2::text[], $3::text[], $4::uuid[], $5::timestamptz[], $6::text[],
                      $7::timestamptz[])
               AS u (kind, value, audience_id, update_time, message_id, keep_until)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, kind, value, audience_id) DO UPDATE
    SET update_time = excluded.update_time, message_id = excluded.message_id,
        keep_until = excluded.keep_until
    WHERE (k.update_time, k.message_id) < (excluded.update_time, excluded.message_id)
       OR k.keep_until <= $8";

/// All that is kept under one identifier.
pub(super) const TAKE_KEPT: &str = "
    DELETE FROM kept_removes
    WHERE account_id = $1 AND kind = $2 AND value = $3
    RETURNING audience_id, update_time, message_id, keep_until";

pub(super) const INSERT_MERGES: &str = "
    INSERT INTO merges (account_id, merge_id, merged_id, survivor_id, turn, merge_time, event_time,
                        message_id, source, identifiers, before)
    SELECT a.account_id, u.merge_id, u.merged_id, u.survivor_id, u.turn, $11, u.event_time,
           u.message_id, u.source, u.identifiers::json, u.before::json
    FROM accounts a
    CROSS JOIN unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::timestamptz[],
                      $7::text[], $8::integer[], $9::text[], $10::text[])
               AS u (merge_id, merged_id, survivor_id, turn, event_time, message_id, source,
                     identifiers, before)
    WHERE a.account_id = $1";

/// Contacts that are looked at once more while all are reindexed.
pub(super) const LOOK_AGAIN: &str = "
    INSERT INTO reindex_again (account_id, contact_id)
    SELECT a.account_id, u.contact_id
    FROM accounts a
    CROSS JOIN unnest($2::uuid[]) AS u (contact_id)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, contact_id) DO NOTHING";

/// What contacts took over on one day.
pub(super) const ABSORBED: &str = "
    SELECT b.contact_id, b.absorbed, b.is_told, b.found_by
    FROM unnest($2::uuid[]) AS k (contact_id)
    CROSS JOIN LATERAL (
        SELECT * FROM absorptions
        WHERE account_id = $1 AND contact_id = k.contact_id AND day = $3
        LIMIT 1
    ) AS b";

pub(super) const PUT_ABSORBED: &str = "
    INSERT INTO absorptions (account_id, contact_id, day, absorbed, is_told, found_by)
    SELECT a.account_id, u.contact_id, $3, u.absorbed, u.is_told, u.found_by::json
    FROM accounts a
    CROSS JOIN unnest($2::uuid[], $4::bigint[], $5::boolean[], $6::text[])
               AS u (contact_id, absorbed, is_told, found_by)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, contact_id, day) DO UPDATE
    SET absorbed = excluded.absorbed, is_told = excluded.is_told, found_by = excluded.found_by";

pub(super) const INSERT_MESSAGE: &str = "
    INSERT INTO outbox (account_id, outbox_id, payload)
    SELECT a.account_id, $2::uuid, $3::text
    FROM accounts a
    WHERE a.account_id = $1";
