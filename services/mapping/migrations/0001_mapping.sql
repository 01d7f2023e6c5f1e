-- Accounts, sources, keys, fields and mappings.
--
-- Every key begins with account_id, the distribution column, but for source_keys: a
-- directory that is searched by hash before an account is known.

CREATE TABLE accounts (
    account_id uuid PRIMARY KEY,
    name text NOT NULL,
    included_contacts bigint NOT NULL,
    additional_contacts bigint NOT NULL,
    activity_slots bigint NOT NULL,
    profile_factor bigint NOT NULL,
    activity_factor bigint NOT NULL,
    notification_address text NOT NULL,
    -- Both empty, or both not.
    webhook_url text NOT NULL,
    webhook_secret text NOT NULL,
    unique_identifiers text[] NOT NULL,
    key_strategy smallint NOT NULL,
    -- Of both: what contact-upsert answered to the last change of them.
    identifiers_version bigint NOT NULL,
    -- contact-upsert was asked to change them, and its answer is not stored yet.
    identifiers_in_doubt boolean NOT NULL,
    -- Grows with every change of anything that the account owns here.
    version bigint NOT NULL,
    create_time timestamptz NOT NULL,
    -- Since then it is unknown to every call, and waits to be erased.
    delete_time timestamptz
);

-- Names are unique over all accounts. A table of its own, so that uniqueness needs no
-- column that the accounts are not distributed by.
CREATE TABLE account_names (
    name text PRIMARY KEY,
    account_id uuid NOT NULL
);

CREATE TABLE sources (
    account_id uuid NOT NULL REFERENCES accounts,
    source_id uuid NOT NULL,
    kind smallint NOT NULL,
    name text NOT NULL,
    merge_strategy smallint NOT NULL,
    existing_only boolean NOT NULL,
    status smallint NOT NULL,
    mapping_version bigint NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (account_id, source_id),
    UNIQUE (account_id, name)
);
-- One Segment (Actions) source per account.
CREATE UNIQUE INDEX sources_one_actions ON sources (account_id) WHERE kind = 1;

CREATE TABLE source_keys (
    key_hash bytea PRIMARY KEY,
    key_id uuid NOT NULL,
    account_id uuid NOT NULL,
    source_id uuid NOT NULL,
    hint text NOT NULL,
    create_time timestamptz NOT NULL,
    revoke_time timestamptz,
    -- It is good before this moment only; absent: for ever.
    expire_time timestamptz,
    -- To the minute.
    last_use_time timestamptz,
    -- Of the call that made it, where that had one.
    request_id uuid
);
CREATE UNIQUE INDEX source_keys_by_request ON source_keys (account_id, source_id, request_id)
    WHERE request_id IS NOT NULL;
CREATE INDEX source_keys_by_source ON source_keys (account_id, source_id, key_id);

CREATE TABLE fields (
    account_id uuid NOT NULL REFERENCES accounts,
    field_id text NOT NULL,
    name text NOT NULL,
    value_type text NOT NULL,
    PRIMARY KEY (account_id, field_id),
    UNIQUE (account_id, name)
);

CREATE TABLE contact_mappings (
    account_id uuid NOT NULL,
    source_id uuid NOT NULL,
    -- [{"field", "path", "paths", "format", "formats", "country", "round", "words", "truncate",
    -- "blank_clears"}], what is as by default left out
    mapping jsonb NOT NULL,
    PRIMARY KEY (account_id, source_id),
    FOREIGN KEY (account_id, source_id) REFERENCES sources
);

CREATE TABLE activities (
    account_id uuid NOT NULL REFERENCES accounts,
    activity_id uuid NOT NULL,
    event_name text NOT NULL,
    retention_days integer NOT NULL,
    earlier_retention_days integer[] NOT NULL,
    PRIMARY KEY (account_id, activity_id),
    UNIQUE (account_id, event_name)
);

CREATE TABLE activity_mappings (
    account_id uuid NOT NULL,
    source_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    -- [{"attribute", "type", …}], behind which stands what a contact mapping has
    attributes jsonb NOT NULL,
    PRIMARY KEY (account_id, source_id, activity_id),
    FOREIGN KEY (account_id, source_id) REFERENCES sources,
    FOREIGN KEY (account_id, activity_id) REFERENCES activities
);

-- What each save of a mapping left behind: the last hundred of each. A version of a source is
-- about one mapping: its contact mapping (the activity is all zeros then), or an activity's.
CREATE TABLE mapping_versions (
    account_id uuid NOT NULL,
    source_id uuid NOT NULL,
    version bigint NOT NULL,
    activity_id uuid NOT NULL,
    -- As in the two tables above; absent where it was taken away.
    mapping jsonb,
    -- Of an activity.
    retention_days integer,
    save_time timestamptz NOT NULL,
    -- Which one it brought back; 0: none.
    restored_version bigint NOT NULL,
    PRIMARY KEY (account_id, source_id, version)
);
CREATE INDEX mapping_versions_by_subject
    ON mapping_versions (account_id, source_id, activity_id, version);

-- Accounts that are being erased, and how far that is; those that were, for 90 days.
CREATE TABLE account_deletions (
    account_id uuid PRIMARY KEY,
    name text NOT NULL,
    source_ids uuid[] NOT NULL,
    start_time timestamptz NOT NULL,
    -- When it is done next: what was under way when it began is through by then.
    due_time timestamptz NOT NULL,
    finish_time timestamptz,
    -- {"service": [erased, done]}
    steps jsonb NOT NULL
);
CREATE INDEX account_deletions_due ON account_deletions (due_time) WHERE finish_time IS NULL;

-- How many events were answered what, and how many values were ignored, by hour (semantics 7.3a).
CREATE TABLE reason_counts (
    account_id uuid NOT NULL,
    source_id uuid NOT NULL,
    -- Its beginning.
    hour timestamptz NOT NULL,
    -- An event's name, or a field; one space: all those beyond the first thousand.
    subject text COLLATE "C" NOT NULL,
    -- What the events were answered; 0: values that were ignored.
    status smallint NOT NULL,
    code text COLLATE "C" NOT NULL,
    count bigint NOT NULL,
    -- When the first and the last of them were received.
    first_time timestamptz NOT NULL,
    last_time timestamptz NOT NULL,
    PRIMARY KEY (account_id, source_id, hour, subject, status, code)
) WITH (fillfactor = 70);
CREATE INDEX reason_counts_to_forget ON reason_counts (account_id, hour);
COMMENT ON TABLE reason_counts IS 'Life time: 30 days.';

-- How far each process that counts has come: what it tells again is known by it.
CREATE TABLE count_flushes (
    account_id uuid NOT NULL,
    process_id uuid NOT NULL,
    sequence bigint NOT NULL,
    flush_time timestamptz NOT NULL,
    PRIMARY KEY (account_id, process_id)
) WITH (fillfactor = 70);
COMMENT ON TABLE count_flushes IS 'Life time: 2 days after the last flush.';
-- ---- kept events and replay (semantics 7.5, 1.7) ----

-- What inserts anchor on, and what those lock that keep events of an account or tell what became
-- of them. No foreign keys: events stream in while sources are configured.
CREATE TABLE kept_accounts (
    account_id uuid PRIMARY KEY,
    -- What its deferred events take.
    deferred_events bigint NOT NULL,
    deferred_bytes bigint NOT NULL
);

CREATE TABLE kept_events (
    account_id uuid NOT NULL,
    source_id uuid NOT NULL,
    -- Of endpoint, message id, timestamp and content (semantics 1.4).
    event_key uuid NOT NULL,
    kind smallint NOT NULL,
    -- As received; it may be no UTF-8.
    raw bytea NOT NULL,
    message_id text NOT NULL,
    nameless boolean NOT NULL,
    user_id text NOT NULL,
    anonymous_id text NOT NULL,
    event_name text NOT NULL,
    event_time timestamptz,
    -- Of the request that it was first received in, and its index there.
    receive_time timestamptz NOT NULL,
    event_index bigint NOT NULL,
    -- What it was answered last.
    status smallint NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    -- It was stored, but for a value that was ignored.
    stored boolean NOT NULL,
    -- Its contact is made up for by itself: when next, and how often that was tried.
    deferred boolean NOT NULL,
    next_time timestamptz,
    tries integer NOT NULL,
    -- When it was stored.
    done_time timestamptz,
    PRIMARY KEY (account_id, source_id, event_key)
);
CREATE INDEX kept_events_by_time ON kept_events (account_id, source_id, receive_time, event_key);
CREATE INDEX kept_events_by_code ON kept_events (account_id, source_id, code, receive_time)
    WHERE NOT deferred;
CREATE INDEX kept_events_due ON kept_events (account_id, source_id, next_time) WHERE deferred;

CREATE TABLE replays (
    account_id uuid NOT NULL,
    replay_id uuid NOT NULL,
    source_id uuid NOT NULL,
    -- By which a request that comes again is known, and what it asked for.
    request_id text NOT NULL,
    request text NOT NULL,
    state smallint NOT NULL,
    event_count bigint NOT NULL,
    create_time timestamptz NOT NULL,
    end_time timestamptz,
    PRIMARY KEY (account_id, replay_id),
    UNIQUE (account_id, request_id)
);

CREATE TABLE replay_events (
    account_id uuid NOT NULL,
    replay_id uuid NOT NULL,
    event_key uuid NOT NULL,
    -- In the order of receipt.
    position integer NOT NULL,
    tries integer NOT NULL,
    -- What became of it; NULL while it waits, 0 where it was left out.
    status smallint,
    code text NOT NULL,
    PRIMARY KEY (account_id, replay_id, event_key)
);
CREATE INDEX replay_events_waiting ON replay_events (account_id, replay_id, tries, position)
    WHERE status IS NULL;

-- What is to be driven: a row for each replay that runs, and for each source whose contacts are to
-- be made up for. Small, whatever waits.
CREATE TABLE replay_work (
    account_id uuid NOT NULL,
    -- The replay's id, or the source's.
    work_id uuid NOT NULL,
    source_id uuid NOT NULL,
    repair boolean NOT NULL,
    next_time timestamptz NOT NULL,
    -- Who has a portion of it, and until when it is theirs.
    lease_token uuid,
    lease_end timestamptz NOT NULL,
    PRIMARY KEY (account_id, work_id)
);
CREATE INDEX replay_work_due ON replay_work (next_time);

-- ---- news (semantics 7.2, 7.10) ----

-- What somebody should look at. A kind, subject and day have one.
CREATE TABLE alerts (
    account_id uuid NOT NULL REFERENCES accounts,
    alert_id uuid NOT NULL,
    kind smallint NOT NULL,
    subject text NOT NULL,
    day date NOT NULL,
    -- May be gone.
    source_id uuid,
    message text NOT NULL,
    value text NOT NULL,
    raise_time timestamptz NOT NULL,
    last_time timestamptz NOT NULL,
    count bigint NOT NULL,
    resolve_time timestamptz,
    PRIMARY KEY (account_id, alert_id),
    UNIQUE (account_id, kind, subject, day)
);
CREATE INDEX alerts_by_day ON alerts (account_id, day);

-- Mails and webhook calls: an outbox, written with what they tell of.
CREATE TABLE deliveries (
    account_id uuid NOT NULL REFERENCES accounts,
    delivery_id uuid NOT NULL,
    channel smallint NOT NULL,
    state smallint NOT NULL,
    -- What they tell of: that data arrived from a source, or an alert.
    alert_id uuid,
    source_id uuid,
    -- Where it went; until then it goes where the account says.
    receiver text NOT NULL,
    file text NOT NULL,
    error text NOT NULL,
    tries integer NOT NULL,
    create_time timestamptz NOT NULL,
    -- Of a waiting one. Whoever tries it sets it behind the end of the try.
    next_try_time timestamptz NOT NULL,
    sent_time timestamptz,
    PRIMARY KEY (account_id, delivery_id)
);
-- Waiting, and kept or given up: few of them, ever.
CREATE INDEX deliveries_waiting ON deliveries (next_try_time) WHERE state = 1;
CREATE INDEX deliveries_undelivered ON deliveries (account_id, delivery_id) WHERE state > 2;
CREATE INDEX deliveries_of_source ON deliveries (account_id, source_id);
