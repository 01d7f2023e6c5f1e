-- Accounts, and which of them have work of a kind: what is looked at by loops that go over all
-- accounts, before they go to one after the other. No policy is on it (semantics 9.6).
CREATE TABLE account_work (
    account_id uuid NOT NULL,
    task text COLLATE "C" NOT NULL,
    due_time timestamptz NOT NULL,
    PRIMARY KEY (account_id, task)
);
CREATE INDEX account_work_of_task ON account_work (task, account_id);
CREATE INDEX account_work_due ON account_work (task, due_time);
COMMENT ON TABLE account_work IS 'Life time: until the work is done; as long as the account where '
    'that is to look for rows that are too old.';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        PERFORM create_distributed_table('account_work', 'account_id');
    END IF;
END
$$;
