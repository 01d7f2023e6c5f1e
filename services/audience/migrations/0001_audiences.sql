-- The anchor of everything of an account: batches share its row, merges of contacts and the end
-- of a sync have it to themselves. Lives as long as the account.
CREATE TABLE accounts (
    account_id uuid PRIMARY KEY
);

-- Live as long as the account.
CREATE TABLE audiences (
    account_id uuid NOT NULL,
    audience_id uuid NOT NULL,
    -- Compared byte for byte, so that case counts and the order is the same everywhere.
    name text COLLATE "C" NOT NULL,
    -- segment_actions | other
    origin text NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (account_id, audience_id)
);
-- Of two indexes that begin with the account, the planner may take the one that serves a look-up
-- worse, while a table is small: it then reads all of the account. So those beside the primary
-- key have conditions, which hold for every row, and which only the statements say that are
-- meant to use them.
CREATE UNIQUE INDEX audiences_by_name ON audiences (account_id, name) WHERE name <> '';

-- What is, and what is asked for; they differ while a re-entry is held back. A contact that is out
-- is kept as well, so that a late add finds the newer remove: a row lives as long as the contact
-- and the audience, one for each pair at most.
CREATE TABLE memberships (
    account_id uuid NOT NULL,
    audience_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    member boolean NOT NULL,
    asked_member boolean NOT NULL,
    member_since_time timestamptz,
    left_time timestamptz,
    update_time timestamptz NOT NULL,
    update_message_id text NOT NULL,
    -- Those of one contact lie together: merges look for them.
    PRIMARY KEY (account_id, contact_id, audience_id)
) WITH (fillfactor = 85);
CREATE INDEX memberships_members ON memberships (account_id, audience_id, contact_id) WHERE member;

-- Memberships that may wait to be brought to what is asked for. A row is made with the update
-- that is held back, and lives until the sync of one of the next days finds that it waits no
-- longer.
CREATE TABLE waiting (
    account_id uuid NOT NULL,
    audience_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    PRIMARY KEY (account_id, audience_id, contact_id)
);

-- Accounts that have any of these: all that the daily sync looks at. A row lives until its sync
-- is done and nobody waits any more.
CREATE TABLE sync_work (
    account_id uuid PRIMARY KEY,
    -- The UTC day from which on the sync is due.
    due_day date NOT NULL,
    -- When the sync that is under way began; it is done with those who had left by then.
    began_time timestamptz,
    -- Until when one replica has it to itself.
    lease_time timestamptz
);
CREATE INDEX sync_work_due ON sync_work (due_day, account_id);

-- Contacts that were merged into others. `survivor_id` is never itself in `contact_id`, but for a
-- contact that leads to itself: its merge was undone. All zeros: it was deleted. `version` grows
-- with every merge and split of the contact, and tells old news. Live as long as the account, so
-- that an update which was long under way finds the survivor.
CREATE TABLE contact_merges (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    survivor_id uuid NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, contact_id)
);
CREATE INDEX contact_merges_of_survivor ON contact_merges (account_id, survivor_id)
    WHERE survivor_id <> contact_id;

-- Memberships of both contacts as they were before one of them, `merged_id`, went into the other:
-- what a split gives back. Live for 90 days after the merge.
CREATE TABLE merged_memberships (
    account_id uuid NOT NULL,
    merged_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    audience_id uuid NOT NULL,
    member boolean NOT NULL,
    asked_member boolean NOT NULL,
    member_since_time timestamptz,
    left_time timestamptz,
    update_time timestamptz NOT NULL,
    update_message_id text NOT NULL,
    keep_until timestamptz NOT NULL,
    PRIMARY KEY (account_id, merged_id, contact_id, audience_id)
);
CREATE INDEX merged_memberships_by_time ON merged_memberships (account_id, keep_until);

-- What deletions of people have deleted here. Live for 31 days.
CREATE TABLE erasures (
    account_id uuid NOT NULL,
    deletion_id uuid NOT NULL,
    memberships bigint NOT NULL,
    kept_memberships bigint NOT NULL,
    keep_until timestamptz NOT NULL,
    PRIMARY KEY (account_id, deletion_id)
);
CREATE INDEX erasures_by_time ON erasures (account_id, keep_until);

-- Where the engine distributes tables, they go by account.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        PERFORM create_distributed_table('accounts', 'account_id');
        PERFORM create_distributed_table('audiences', 'account_id', colocate_with => 'accounts');
        PERFORM create_distributed_table('memberships', 'account_id', colocate_with => 'accounts');
        PERFORM create_distributed_table('contact_merges', 'account_id', colocate_with => 'accounts');
        PERFORM create_distributed_table('waiting', 'account_id', colocate_with => 'accounts');
        PERFORM create_distributed_table('sync_work', 'account_id', colocate_with => 'accounts');
        PERFORM create_distributed_table('merged_memberships', 'account_id', colocate_with => 'accounts');
        PERFORM create_distributed_table('erasures', 'account_id', colocate_with => 'accounts');
    END IF;
END
$$;
