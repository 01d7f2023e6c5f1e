-- What the events of a source were charged, and how many a limit rejected, by name and window
-- (semantics 6.8): as the answers tell it. What is charged for good stands in the ledgers.
CREATE TABLE unit_counts (
    account_id uuid NOT NULL,
    source_id uuid NOT NULL,
    -- The UTC day of the units.
    window_day date NOT NULL,
    -- An event's name, empty where it is no track; one space: all those beyond the first thousand.
    subject text COLLATE "C" NOT NULL,
    profile_units bigint NOT NULL,
    activity_units bigint NOT NULL,
    rejected_events bigint NOT NULL,
    PRIMARY KEY (account_id, source_id, window_day, subject)
) WITH (fillfactor = 70);
CREATE INDEX unit_counts_by_day ON unit_counts (account_id, window_day);
COMMENT ON TABLE unit_counts IS 'Life time: 92 days.';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        PERFORM create_distributed_table('unit_counts', 'account_id');
    END IF;
END
$$;
