-- Contacts of all accounts: who they are, what is known of them, and what of it was charged.
-- Every key begins with account_id, the distribution column.

-- The anchor of an account: batches insert through it, and hold it shared while they store,
-- so that raising the epoch waits for them.
-- It also holds what tells the account's contacts apart, under a version: a batch that was
-- mapped under another one is not stored. Absent as long as nobody changed it here.
-- `caseless_identifiers` are those that are compared without case besides `str::email`, as the
-- batches say: whoever looks for a contact does not bring it along.
-- `source_ids` are sources that wrote to contacts: their places, from one on, are what registers
-- name them by. `links_generation` grows when identifiers go back from one contact to another, or
-- away: what was kept in mind of them before is worth nothing then. `last_delete_time` and
-- `erasure_key` (of the hashes in `deletions`) are there once somebody was deleted.
CREATE TABLE accounts (
    account_id uuid PRIMARY KEY,
    usage_epoch bigint NOT NULL DEFAULT 0,
    identifiers_version bigint NOT NULL DEFAULT 0,
    unique_identifiers text[],
    key_strategy text,
    caseless_identifiers text[] NOT NULL DEFAULT '{}',
    -- Batches write down what their contacts are searched for by.
    is_searched boolean NOT NULL DEFAULT false,
    -- Those that contacts match by as well, until all of them are reindexed; then these stand.
    next_unique_identifiers text[],
    next_key_strategy text,
    source_ids uuid[] NOT NULL DEFAULT '{}',
    links_generation bigint NOT NULL DEFAULT 0,
    last_delete_time timestamptz,
    erasure_key bytea
);

-- `fields` holds the current values by field id. `registers` holds what ordered them: a list
-- of [event time in microseconds, message id, [field ids], source]; a field that is named there and
-- has no value was cleared. Where there is more to say of the contact, that list is the second of
-- two: the first is an object of what values replaced (`was`), of splits (`bars`), and of how
-- often it was merged or split (`turns`). Both are `json`, not `jsonb`: the canonical text of a value is
-- compared as text, so it must come back letter by letter.
-- Room is left on the pages, so that an update stays on its page and touches no index.
CREATE TABLE contacts (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    has_user_id boolean NOT NULL,
    fields json NOT NULL,
    registers json NOT NULL,
    redirect_to uuid,
    version bigint NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (account_id, contact_id)
) WITH (fillfactor = 80);

-- What contacts are searched for by, of accounts that are searched: folded by us, none of one that
-- was merged into another. `forward` is the name from its front, `backward` the same from its end.
-- Compared byte by byte: a range of texts is what an index serves whatever stands between it and
-- the reader. A table of its own, as most contacts are never searched for: their batches know
-- nothing of it.
CREATE TABLE contact_texts (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    forward text COLLATE "C",
    backward text COLLATE "C",
    name text COLLATE "C",
    email text COLLATE "C",
    phone text COLLATE "C",
    external text COLLATE "C",
    PRIMARY KEY (account_id, contact_id)
) WITH (fillfactor = 80);
CREATE INDEX contact_texts_forward ON contact_texts (account_id, forward, contact_id)
    WHERE forward IS NOT NULL;
CREATE INDEX contact_texts_backward ON contact_texts (account_id, backward, contact_id)
    WHERE backward IS NOT NULL;
CREATE INDEX contact_texts_name ON contact_texts (account_id, name, contact_id)
    WHERE name IS NOT NULL;
CREATE INDEX contact_texts_email ON contact_texts (account_id, email, contact_id)
    WHERE email IS NOT NULL;
CREATE INDEX contact_texts_phone ON contact_texts (account_id, phone, contact_id)
    WHERE phone IS NOT NULL;
CREATE INDEX contact_texts_external ON contact_texts (account_id, external, contact_id)
    WHERE external IS NOT NULL;

-- Accounts that are searched, and up to which contact those have their texts that were there when
-- the first search came.
CREATE TABLE searches (
    account_id uuid PRIMARY KEY,
    after uuid NOT NULL,
    is_done boolean NOT NULL
);
CREATE INDEX searches_undone ON searches (account_id) WHERE NOT is_done;

-- `kind` is `u` for user ids, `a` for anonymous ids, else the field id of a unique identifier,
-- which stands here with its current value only. `event_time` and `message_id` are those of the
-- event that made the link. `version` grows whenever the identifier changes its contact, and
-- `moved_from` is the one that it had before: who moves it says whose it is, and moves nothing
-- else. Where removes are kept for somebody unknown, the contact is all zeros: nobody.
-- Three of these are looked up for every event, so they are compared byte by byte.
CREATE TABLE identifiers (
    account_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    contact_id uuid NOT NULL,
    version bigint NOT NULL,
    link_time timestamptz NOT NULL,
    event_time timestamptz NOT NULL,
    message_id text NOT NULL,
    moved_from uuid,
    PRIMARY KEY (account_id, kind, value)
);
CREATE INDEX identifiers_by_contact ON identifiers (account_id, contact_id);

-- Events that were charged and may leave no other trace, and events without a timestamp: those
-- keep the time at which they came first, also where they said nothing new (`is_stored` is
-- false; they are judged anew). Without a contact: a remove that was kept. Kept for 30 days.
CREATE TABLE receipts (
    account_id uuid NOT NULL,
    event_key uuid NOT NULL,
    contact_id uuid,
    is_stored boolean NOT NULL,
    first_time timestamptz,
    receive_time timestamptz NOT NULL,
    PRIMARY KEY (account_id, event_key)
);
-- Those of a batch have one time, and an index keeps equal keys once: it is small, and the
-- oldest of an account are found without a look at the others.
CREATE INDEX receipts_by_time ON receipts (account_id, receive_time);

-- Removes from audiences of people who are not known, by the identifier that they came with; the
-- latest of each audience. For each of these identifiers there is a row in `identifiers` with a
-- contact of zeros, nobody. They go when the identifier gets linked, and after 30 days.
CREATE TABLE kept_removes (
    account_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    audience_id uuid NOT NULL,
    update_time timestamptz NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    keep_until timestamptz NOT NULL,
    PRIMARY KEY (account_id, kind, value, audience_id)
);
CREATE INDEX kept_removes_by_time ON kept_removes (account_id, keep_until);

-- Who was merged into whom, and which event made it (none: a person). `turn` tells the order of
-- the merges of one survivor. `identifiers` and `before` (the survivor as it was, and whose word
-- counted) are what a split needs to undo it, and are kept for 90 days; the merged contact's own
-- row keeps its fields. The row of a merge that was undone stays, for its history.
CREATE TABLE merges (
    account_id uuid NOT NULL,
    merge_id uuid NOT NULL,
    merged_id uuid NOT NULL,
    survivor_id uuid NOT NULL,
    turn bigint NOT NULL,
    merge_time timestamptz NOT NULL,
    split_time timestamptz,
    event_time timestamptz,
    message_id text,
    source integer,
    identifiers json,
    before json,
    PRIMARY KEY (account_id, merge_id)
);
CREATE INDEX merges_by_survivor ON merges (account_id, survivor_id);
CREATE INDEX merges_by_merged ON merges (account_id, merged_id);
-- The merged one in front: else it would be taken for any look-up of merges that stand.
CREATE UNIQUE INDEX merges_standing ON merges (merged_id, account_id) WHERE split_time IS NULL;
CREATE INDEX merges_by_time ON merges (account_id, merge_time) WHERE identifiers IS NOT NULL;

-- How many others a contact took over on a UTC day, and which identifiers brought most of them:
-- one that does so again and again means nobody (semantics 3.1). Kept until the day is past.
CREATE TABLE absorptions (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    day date NOT NULL,
    absorbed bigint NOT NULL,
    -- An alert was raised.
    is_told boolean NOT NULL,
    -- [[kind, value, count]]
    found_by json NOT NULL,
    PRIMARY KEY (account_id, contact_id, day)
);
CREATE INDEX absorptions_by_day ON absorptions (account_id, day);

-- The last change of unique identifiers of an account that had contacts, and how far it is:
-- contacts up to `after_contact` were looked at, of those up to `last_contact` (semantics 3.2).
CREATE TABLE reindexes (
    account_id uuid PRIMARY KEY,
    reindex_id uuid NOT NULL,
    state text NOT NULL,
    unique_identifiers text[] NOT NULL,
    key_strategy text NOT NULL,
    old_unique_identifiers text[] NOT NULL,
    old_key_strategy text NOT NULL,
    caseless_identifiers text[] NOT NULL,
    after_contact uuid NOT NULL,
    last_contact uuid NOT NULL,
    contacts bigint NOT NULL,
    seen bigint NOT NULL,
    merged bigint NOT NULL,
    lost bigint NOT NULL,
    lost_contacts uuid[] NOT NULL,
    start_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    finish_time timestamptz
);
CREATE INDEX reindexes_under_way ON reindexes (account_id) WHERE finish_time IS NULL;

-- Contacts that are to be looked at once more while all are reindexed, as they took over others.
CREATE TABLE reindex_again (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    PRIMARY KEY (account_id, contact_id)
);

-- Hashes of identifiers of deleted people, so that late retries do not bring them back; kept
-- for 30 days.
CREATE TABLE deletions (
    account_id uuid NOT NULL,
    identifier_hash bytea NOT NULL,
    delete_time timestamptz NOT NULL,
    PRIMARY KEY (account_id, identifier_hash)
);
CREATE INDEX deletions_by_time ON deletions (account_id, delete_time);

-- Deletions of people: what is to be told to other services (`payload`, until `next_time` is
-- over for the last time), and the receipt: how many rows of what went where. It names nobody;
-- kept for a year.
CREATE TABLE erasures (
    account_id uuid NOT NULL,
    deletion_id uuid NOT NULL,
    contact_id uuid,
    request_time timestamptz NOT NULL,
    done_time timestamptz,
    next_time timestamptz,
    rounds integer NOT NULL,
    payload text,
    counts json NOT NULL,
    PRIMARY KEY (account_id, deletion_id)
);
CREATE INDEX erasures_due ON erasures (next_time, account_id) WHERE next_time IS NOT NULL;
CREATE INDEX erasures_by_time ON erasures (account_id, request_time);

-- One row a batch: which identifiers got linked, and which contacts were merged.
CREATE TABLE outbox (
    account_id uuid NOT NULL,
    outbox_id uuid NOT NULL,
    payload text NOT NULL,
    PRIMARY KEY (account_id, outbox_id)
);
-- It lives for milliseconds: compressing it would cost more than it saves.
ALTER TABLE outbox ALTER COLUMN payload SET STORAGE EXTERNAL;

-- Where the engine distributes tables, these go by account.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        PERFORM create_distributed_table(name, 'account_id')
        FROM unnest(ARRAY['accounts', 'contacts', 'contact_texts', 'searches', 'identifiers',
                          'receipts', 'kept_removes', 'merges', 'absorptions', 'reindexes',
                          'reindex_again', 'deletions', 'erasures', 'outbox']) AS name;
    END IF;
END
$$;
