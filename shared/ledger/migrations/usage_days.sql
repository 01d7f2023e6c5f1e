-- What was charged in windows that are over: one row for each, made when no batch of the window
-- is under way any more. The rows of its batches go long before.
CREATE TABLE usage_days (
    account_id uuid NOT NULL,
    window_day date NOT NULL,
    units bigint NOT NULL,
    PRIMARY KEY (account_id, window_day)
);
COMMENT ON TABLE usage_days IS 'Life time: 95 days from its window.';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        PERFORM create_distributed_table('usage_days', 'account_id');
    END IF;
END
$$;
