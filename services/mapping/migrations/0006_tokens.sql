-- What programs call with (semantics 9.2). A directory of all accounts, small (10,000 are good at
-- once), that every service has in memory.
CREATE TABLE tokens (
    token_id uuid PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE,
    name text NOT NULL,
    hint text NOT NULL,
    role smallint NOT NULL,
    -- NULL: all of them.
    account_ids uuid[],
    create_time timestamptz NOT NULL,
    -- It is good before this moment only; absent: for ever.
    expire_time timestamptz,
    -- To the minute.
    last_use_time timestamptz,
    revoke_time timestamptz,
    created_by text NOT NULL,
    revoked_by text NOT NULL,
    -- Of the call that made it, where that had one.
    request_id uuid UNIQUE
);
COMMENT ON TABLE tokens IS 'Life time: 90 days after their end.';

-- One row, which whoever changes a token locks: its version tells services that one did.
CREATE TABLE token_list (
    only_one boolean PRIMARY KEY CHECK (only_one),
    version bigint NOT NULL
);
INSERT INTO token_list VALUES (true, 1);
