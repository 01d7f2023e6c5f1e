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
    unique_identifiers text[] NOT NULL,
    key_strategy smallint NOT NULL,
    -- Of both: what contact-upsert answered to the last change of them.
    identifiers_version bigint NOT NULL,
    -- contact-upsert was asked to change them, and its answer is not stored yet.
    identifiers_in_doubt boolean NOT NULL,
    -- Those that contacts are matched by as well, until contact-upsert has reindexed all of them.
    next_unique_identifiers text[] NOT NULL,
    -- Values that mean nobody: {"blocked": [["kind", "pattern"]], "allowed_defaults": [..]}
    blocked_values jsonb NOT NULL,
    blocked_values_version bigint NOT NULL,
    keep_user_ids_apart boolean NOT NULL,
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
