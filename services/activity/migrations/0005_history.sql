-- How many activities of a UTC day there are, and how many of its backlog were discarded. Rows of
-- a day that is under way are several (`slot`), so that batches do not wait for each other; slot 0
-- has what housekeeping folded together.
CREATE TABLE activity_counts (
    account_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    -- Of the activity's time.
    day date NOT NULL,
    slot smallint NOT NULL,
    -- The activity's, which never changes.
    event_name text NOT NULL,
    -- Of one slot it may be below 0: what is deleted need not be counted where it was stored.
    stored bigint NOT NULL,
    discarded bigint NOT NULL,
    PRIMARY KEY (account_id, activity_id, day, slot)
) WITH (fillfactor = 70);
CREATE INDEX activity_counts_to_fold ON activity_counts (account_id, day) WHERE slot > 0;
COMMENT ON TABLE activity_counts IS 'Life time: as long as the account. One row for each activity '
    'and day, and up to eight more for the last days.';

-- When a contact did something for the first and the last time, as far as the activities that say
-- so are dropped.
CREATE TABLE occurrences (
    account_id uuid NOT NULL,
    -- As the activities had it; reads follow contact_merges.
    contact_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    event_name text NOT NULL,
    first_time timestamptz NOT NULL,
    last_time timestamptz NOT NULL,
    PRIMARY KEY (account_id, contact_id, activity_id)
);
COMMENT ON TABLE occurrences IS 'Life time: as long as the contact. One row for each activity of '
    'a contact that outlived its retention.';

-- What is there already is counted. Its days are those of its times.
ALTER TABLE activities NO FORCE ROW LEVEL SECURITY;
INSERT INTO activity_counts (account_id, activity_id, day, slot, event_name, stored, discarded)
SELECT account_id, activity_id, (event_time AT TIME ZONE 'UTC')::date, 0, min(event_name),
    count(*), 0
FROM activities WHERE contact_id IS NOT NULL
    AND event_time BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
GROUP BY account_id, activity_id, (event_time AT TIME ZONE 'UTC')::date;
ALTER TABLE activities FORCE ROW LEVEL SECURITY;

-- Where the engine distributes tables, it distributes these.
DO $$
DECLARE
    name text;
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        FOREACH name IN ARRAY ARRAY['activity_counts', 'occurrences']
        LOOP
            EXECUTE format('SELECT create_distributed_table(%L, %L)', name, 'account_id');
        END LOOP;
    END IF;
END $$;
