-- What people did, and what waits until it is known who did it.
-- Every key begins with account_id, the distribution column. Each table says how long its
-- rows live; a test lists those that don't.

-- What inserts anchor on, and what fences late batches.
CREATE TABLE accounts (
    account_id uuid PRIMARY KEY,
    -- Batches admitted under a lower epoch can't commit (semantics 6.5).
    usage_epoch bigint NOT NULL DEFAULT 0,
    -- Grows when identifiers go back or away: what replicas keep in mind of them is of one
    -- generation.
    links_generation bigint NOT NULL DEFAULT 0,
    -- When somebody of the account was deleted last, and the key of the hashes in `deletions`.
    last_delete_time timestamptz,
    erasure_key bytea
);
COMMENT ON TABLE accounts IS 'Life time: as long as the account. One row each.';

-- The projection identifier -> contact, fed by contact-upsert's outbox. A row without a
-- contact is an identifier for which something waits (or waited).
CREATE TABLE identifiers (
    account_id uuid NOT NULL,
    -- 'u' user id, 'a' anonymous id. Identifiers are compared as bytes, never by a language.
    kind text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    contact_id uuid,
    -- Of the link; -1 before the first.
    version bigint NOT NULL,
    link_time timestamptz,
    -- Whether the backlog may hold rows of it: links of most identifiers then look for none.
    waiting boolean NOT NULL,
    -- While it is linked to nobody: the first day on which nothing of it can wait any more.
    -- Always the first of a month, so that who comes again rarely moves it.
    forget_day date,
    PRIMARY KEY (account_id, kind, value)
) WITH (fillfactor = 80);
CREATE INDEX identifiers_to_forget ON identifiers (account_id, forget_day)
    WHERE contact_id IS NULL;
COMMENT ON TABLE identifiers IS 'Life time: linked, as long as the contact; linked to nobody, '
    'until the month is over in which the last of its backlog expires (forget_day).';

-- Contacts that were merged into others. Edges, not a closure: their order of arrival does
-- not matter, and nothing is locked to write them.
CREATE TABLE contact_merges (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    -- None where the merge was undone: then the row keeps old news of it from coming again.
    survivor_id uuid,
    -- Grows with every merge and split of the contact.
    version bigint NOT NULL,
    PRIMARY KEY (account_id, contact_id)
);
CREATE INDEX contact_merges_by_survivor ON contact_merges (account_id, survivor_id);
COMMENT ON TABLE contact_merges IS 'Life time: as long as the contact that survived.';

-- A row without a contact (and without anything else) is what stays of a backlog activity
-- that was over the cap: its repeat is still recognised.
-- Attributes are `json`, which keeps a text as it came; `jsonb` would refuse some numbers and
-- write others out to thousands of digits (semantics 2.4c).
CREATE TABLE activities (
    account_id uuid NOT NULL,
    -- The last day on which it is shown.
    expire_day date NOT NULL,
    -- Of activity, time, message id and identifier (semantics 4.5).
    activity_key uuid NOT NULL,
    -- As it was when the activity was stored; reads follow contact_merges.
    contact_id uuid,
    activity_id uuid,
    event_name text,
    event_time timestamptz,
    message_id text,
    attributes json,
    receive_time timestamptz,
    PRIMARY KEY (account_id, activity_key, expire_day)
) PARTITION BY RANGE (expire_day);
CREATE INDEX activities_by_contact ON activities (account_id, contact_id, event_time DESC);
COMMENT ON TABLE activities IS 'Life time: to expire_day; dropped by months.';

CREATE TABLE backlog (
    account_id uuid NOT NULL,
    expire_day date NOT NULL,
    kind text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    activity_key uuid NOT NULL,
    activity_id uuid NOT NULL,
    event_name text NOT NULL,
    event_time timestamptz NOT NULL,
    message_id text NOT NULL,
    attributes json NOT NULL,
    receive_time timestamptz NOT NULL,
    -- Whose log is told where it is discarded; absent where the edge did not say.
    source_id uuid,
    -- Its contact could not be reached and is made up for later: it is not under the cap
    -- (semantics 1.7, 4.9).
    deferred boolean NOT NULL,
    PRIMARY KEY (account_id, kind, value, activity_key, expire_day)
) PARTITION BY RANGE (expire_day);
COMMENT ON TABLE backlog IS 'Life time: to expire_day, or until its identifier is linked; '
    'dropped by months.';

-- Tracks without a timestamp that were stored: by activity, message id and identifier, since
-- the time is no mark of theirs. Written with the activity; nothing else reads or writes it.
CREATE TABLE undated_receipts (
    account_id uuid NOT NULL,
    receipt_key uuid NOT NULL,
    forget_day date NOT NULL,
    PRIMARY KEY (account_id, receipt_key)
);
CREATE INDEX undated_receipts_to_forget ON undated_receipts (account_id, forget_day);
COMMENT ON TABLE undated_receipts IS 'Life time: 30 days from the first receipt, as all '
    'receipts (forget_day).';

-- How many backlog activities of a day were attached to a contact (semantics 4.9).
CREATE TABLE attached_counts (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    day date NOT NULL,
    count integer NOT NULL,
    PRIMARY KEY (account_id, contact_id, day)
);
CREATE INDEX attached_counts_to_forget ON attached_counts (account_id, day);
COMMENT ON TABLE attached_counts IS 'Life time: 760 days from its day; no backlog is kept '
    'for so long.';

-- Locked while backlog is attached to a contact, so that two links of it count in turns.
CREATE TABLE attach_locks (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    PRIMARY KEY (account_id, contact_id)
);
COMMENT ON TABLE attach_locks IS 'Life time: within the transaction that made it.';

-- Hashes of identifiers and contacts of people who were deleted: what happened before comes
-- late, and is not stored (semantics 3.9).
CREATE TABLE deletions (
    account_id uuid NOT NULL,
    identifier_hash bytea NOT NULL,
    delete_time timestamptz NOT NULL,
    PRIMARY KEY (account_id, identifier_hash)
);
CREATE INDEX deletions_to_forget ON deletions (account_id, delete_time);
COMMENT ON TABLE deletions IS 'Life time: 30 days from the deletion.';

-- What deletions of people have deleted here so far: they may take several calls.
CREATE TABLE erasures (
    account_id uuid NOT NULL,
    deletion_id uuid NOT NULL,
    counts json NOT NULL,
    forget_day date NOT NULL,
    PRIMARY KEY (account_id, deletion_id)
);
CREATE INDEX erasures_to_forget ON erasures (account_id, forget_day);
COMMENT ON TABLE erasures IS 'Life time: 31 days from the deletion (forget_day).';

-- What replicas do in turns. Not a tenant's.
CREATE TABLE housekeeping (
    task text PRIMARY KEY,
    -- partitions: the month before which all may have been dropped.
    -- forgetting: the last day on which it was done.
    day date
);
INSERT INTO housekeeping (task) VALUES ('partitions'), ('forgetting');
COMMENT ON TABLE housekeeping IS 'Life time: for ever. One row for each task.';

-- Where the engine distributes tables, it distributes these.
DO $$
DECLARE
    name text;
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        FOREACH name IN ARRAY ARRAY['accounts', 'identifiers', 'contact_merges', 'activities',
            'backlog', 'undated_receipts', 'attached_counts', 'attach_locks', 'deletions',
            'erasures']
        LOOP
            EXECUTE format('SELECT create_distributed_table(%L, %L)', name, 'account_id');
        END LOOP;
        -- Whichever node is the door, it is one table.
        EXECUTE format('SELECT create_reference_table(%L)', 'housekeeping');
    END IF;
END $$;
