-- The index beside the one of members, so that those of an audience that is deleted are found.
CREATE INDEX memberships_left ON memberships (account_id, audience_id, contact_id)
    WHERE NOT member;
CREATE INDEX merged_memberships_of_audience ON merged_memberships (account_id, audience_id);

-- What happened to memberships: under the contact whose they were then, also where it was merged
-- into another since, so that neither merges nor splits move anything.
CREATE TABLE membership_history (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    -- Grows with time.
    change_id uuid NOT NULL,
    audience_id uuid NOT NULL,
    -- 1 joined, 2 left, 3 held back, 4 withdrawn.
    kind smallint NOT NULL,
    -- 1 event, 2 sync, 3 merge, 4 split.
    cause smallint NOT NULL,
    change_time timestamptz NOT NULL,
    held_until_time timestamptz,
    update_time timestamptz NOT NULL,
    message_id text NOT NULL,
    sync_id uuid,
    PRIMARY KEY (account_id, contact_id, change_id)
);
CREATE INDEX membership_history_by_time ON membership_history (account_id, change_time);
CREATE INDEX membership_history_of_sync ON membership_history (account_id, sync_id, change_id)
    WHERE sync_id IS NOT NULL;
COMMENT ON TABLE membership_history IS 'Life time: 400 days, or as long as the contact.';

-- What happened in audiences, by day, and (under the first day of the calendar) in all. A batch
-- adds to one of several rows, the slots, so that batches of an audience seldom wait for each
-- other.
CREATE TABLE audience_days (
    account_id uuid NOT NULL,
    audience_id uuid NOT NULL,
    day date NOT NULL,
    slot smallint NOT NULL,
    joined bigint NOT NULL,
    gone bigint NOT NULL,
    -- By merges, splits and deletions of contacts.
    moved bigint NOT NULL,
    held_back bigint NOT NULL,
    updates bigint NOT NULL,
    PRIMARY KEY (account_id, audience_id, day, slot)
) WITH (fillfactor = 70);
COMMENT ON TABLE audience_days IS 'Life time: 400 days; those in all as long as the audience.';

-- Audiences that were deleted: what is still to be done, and what they were called.
CREATE TABLE audience_deletions (
    account_id uuid NOT NULL,
    audience_id uuid NOT NULL,
    name text NOT NULL,
    origin text NOT NULL,
    create_time timestamptz NOT NULL,
    request_time timestamptz NOT NULL,
    done_time timestamptz,
    restore_time timestamptz,
    memberships bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, audience_id)
);
COMMENT ON TABLE audience_deletions IS 'Life time: 400 days after the deletion is done.';

-- Syncs, for whoever wants to know what became of them.
CREATE TABLE sync_runs (
    account_id uuid NOT NULL,
    -- Grows with time.
    sync_id uuid NOT NULL,
    requested boolean NOT NULL,
    request_time timestamptz NOT NULL,
    begin_time timestamptz,
    end_time timestamptz,
    applied bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, sync_id)
);
COMMENT ON TABLE sync_runs IS 'Life time: 90 days.';
-- The sync that is under way, or was asked for.
ALTER TABLE sync_work ADD COLUMN sync_id uuid;

-- Members of before have not been counted. Whatever changes memberships waits meanwhile; the lock
-- on rows is put back behind the last file.
ALTER TABLE memberships NO FORCE ROW LEVEL SECURITY;
LOCK TABLE memberships IN SHARE MODE;
INSERT INTO audience_days (account_id, audience_id, day, slot, joined, gone, moved, held_back,
    updates)
SELECT account_id, audience_id, '0001-01-01', 0, count(*), 0, 0, 0, 0
FROM memberships WHERE member GROUP BY account_id, audience_id;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        PERFORM create_distributed_table('membership_history', 'account_id', colocate_with => 'accounts');
        PERFORM create_distributed_table('audience_days', 'account_id', colocate_with => 'accounts');
        PERFORM create_distributed_table('audience_deletions', 'account_id', colocate_with => 'accounts');
        PERFORM create_distributed_table('sync_runs', 'account_id', colocate_with => 'accounts');
    END IF;
END
$$;
