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
    create_time timestamptz NOT NULL
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
    revoke_time timestamptz
);
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
    -- [{"path", "field", "format"}]
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
    -- [{"path", "attribute", "type", "format"}]
    attributes jsonb NOT NULL,
    PRIMARY KEY (account_id, source_id, activity_id),
    FOREIGN KEY (account_id, source_id) REFERENCES sources,
    FOREIGN KEY (account_id, activity_id) REFERENCES activities
);

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
