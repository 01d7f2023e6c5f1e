-- Who changed what, when, from what to what (semantics 9.5): a row for each call that changed
-- something, written in the transaction that did. Ids grow with time. The account of all zeros has
-- what belongs to none.
CREATE TABLE changes (
    account_id uuid NOT NULL,
    change_id uuid NOT NULL,
    change_time timestamptz NOT NULL,
    actor smallint NOT NULL,
    -- Of a token.
    actor_id uuid,
    actor_name text NOT NULL,
    method text NOT NULL,
    thing smallint NOT NULL,
    thing_id text NOT NULL,
    -- [[field, before, after]], null where it was not there or is not any more.
    fields json NOT NULL,
    -- By which the call is known again, where it had one.
    request_id uuid,
    PRIMARY KEY (account_id, change_id)
);
CREATE INDEX changes_by_time ON changes (account_id, change_time);
CREATE UNIQUE INDEX changes_by_request ON changes (account_id, request_id)
    WHERE request_id IS NOT NULL;
COMMENT ON TABLE changes IS 'Life time: 90 days.';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        PERFORM create_distributed_table('changes', 'account_id');
    END IF;
END
$$;
