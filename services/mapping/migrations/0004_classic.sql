-- Of classic sources: from which pages browsers may send.
ALTER TABLE sources ADD COLUMN allowed_origins text[] NOT NULL DEFAULT '{}';
-- Since when nothing of the source is taken; absent: it is not paused.
ALTER TABLE sources ADD COLUMN pause_time timestamptz;
