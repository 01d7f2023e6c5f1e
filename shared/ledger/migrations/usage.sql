-- The ledger: one row for each batch that was charged, or closed (with no units) before it
-- could be. Nobody asks for a window that is older than the life time.
CREATE TABLE usage (
    account_id uuid NOT NULL,
    window_day date NOT NULL,
    batch_id uuid NOT NULL,
    units integer NOT NULL,
    PRIMARY KEY (account_id, window_day, batch_id)
);
COMMENT ON TABLE usage IS 'Life time: 35 days from its window.';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        PERFORM create_distributed_table('usage', 'account_id');
    END IF;
END
$$;
