-- Of classic sources: from which pages browsers may send.
ALTER TABLE sources ADD COLUMN allowed_origins text[] NOT NULL DEFAULT '{}';
-- Since when nothing of the source is taken; absent: it is not paused.
ALTER TABLE sources ADD COLUMN pause_time timestamptz;
-- A few; looked at over all accounts.
CREATE INDEX sources_paused ON sources (pause_time) WHERE pause_time IS NOT NULL;
