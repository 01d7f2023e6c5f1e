-- What people did, and what waits until it is known who did it.
-- Every key begins with account_id, the distribution column.

-- One row per account: what inserts anchor on, and what fences late batches.
CREATE TABLE accounts (
    account_id uuid PRIMARY KEY,
    -- Batches admitted under a lower epoch can't commit (semantics 6.5).
    usage_epoch bigint NOT NULL DEFAULT 0
);

-- The projection identifier -> contact, fed by contact-upsert's outbox. A row without a
-- contact is an identifier for which something waits (or waited).
CREATE TABLE identities (
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
    PRIMARY KEY (account_id, kind, value)
) WITH (fillfactor = 80);

-- Contacts that were joined into others. Edges, not a closure: their order of arrival does
-- not matter, and nothing is locked to write them.
CREATE TABLE contact_joins (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    survivor_id uuid NOT NULL,
    PRIMARY KEY (account_id, contact_id)
);
CREATE INDEX contact_joins_by_survivor ON contact_joins (account_id, survivor_id);

-- A row without a contact (and without anything else) is what stays of a backlog activity
-- that was over the cap: its repeat is still recognised.
CREATE TABLE activities (
    account_id uuid NOT NULL,
    -- The last day on which it is shown.
    expire_day date NOT NULL,
    -- Of activity, time and message id (semantics 4.5).
    activity_key uuid NOT NULL,
    -- As it was when the activity was stored; reads follow contact_joins.
    contact_id uuid,
    activity_id uuid,
    event_name text,
    event_time timestamptz,
    message_id text,
    attributes jsonb,
    receive_time timestamptz,
    PRIMARY KEY (account_id, activity_key, expire_day)
) PARTITION BY RANGE (expire_day);
CREATE INDEX activities_by_contact ON activities (account_id, contact_id, event_time DESC);

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
    attributes jsonb NOT NULL,
    receive_time timestamptz NOT NULL,
    PRIMARY KEY (account_id, kind, value, activity_key, expire_day)
) PARTITION BY RANGE (expire_day);

-- How many backlog activities of a day were attached to a contact (semantics 4.9).
CREATE TABLE attached_counts (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    day date NOT NULL,
    count integer NOT NULL,
    PRIMARY KEY (account_id, contact_id, day)
);

-- Locked while backlog is attached to a contact, so that two links of it count in turns.
CREATE TABLE attach_locks (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    PRIMARY KEY (account_id, contact_id)
);

-- The ledger of activity units: one row per batch that stored something, or was closed.
CREATE TABLE usage (
    account_id uuid NOT NULL,
    window_day date NOT NULL,
    batch_id uuid NOT NULL,
    units integer NOT NULL,
    PRIMARY KEY (account_id, window_day, batch_id)
);

-- Locked by the replica that makes or drops partitions. Not a tenant's.
CREATE TABLE housekeeping (task text PRIMARY KEY);
INSERT INTO housekeeping (task) VALUES ('partitions');

-- Where the engine distributes tables, it distributes these.
DO $$
DECLARE
    name text;
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        FOREACH name IN ARRAY ARRAY['accounts', 'identities', 'contact_joins', 'activities',
            'backlog', 'attached_counts', 'attach_locks', 'usage']
        LOOP
            EXECUTE format('SELECT create_distributed_table(%L, %L)', name, 'account_id');
        END LOOP;
    END IF;
END $$;
