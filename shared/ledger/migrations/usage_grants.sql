-- Who grants an account's units: Redis, or (while that is away) this ledger. Changed by the fence
-- alone, and never without a new epoch.
ALTER TABLE accounts ADD COLUMN granted_by text NOT NULL DEFAULT 'redis';

-- While the ledger grants: what is used of a window, under the epoch; and which replica of quota
-- misses Redis, until when. Its rows are the account's lock of grants.
CREATE TABLE usage_grants (
    account_id uuid NOT NULL,
    window_day date NOT NULL,
    epoch bigint NOT NULL,
    used bigint NOT NULL,
    held_by uuid,
    hold_end_time timestamptz,
    PRIMARY KEY (account_id, window_day)
);
COMMENT ON TABLE usage_grants IS 'Life time: until Redis grants again; 35 days from its window.';

-- What was granted to batches that are not settled.
CREATE TABLE usage_leases (
    account_id uuid NOT NULL,
    batch_id uuid NOT NULL,
    window_day date NOT NULL,
    epoch bigint NOT NULL,
    units bigint NOT NULL,
    expire_time timestamptz NOT NULL,
    PRIMARY KEY (account_id, batch_id)
);
COMMENT ON TABLE usage_leases IS 'Life time: until its batch is settled, or Redis grants again.';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        PERFORM create_distributed_table('usage_grants', 'account_id');
        PERFORM create_distributed_table('usage_leases', 'account_id');
    END IF;
END
$$;
