-- Letters are folded otherwise (`straße` is found as `STRASSE`): accounts that are searched get
-- their texts anew, piece by piece, and answers are partial until then.
ALTER TABLE searches NO FORCE ROW LEVEL SECURITY;
UPDATE searches SET after = '00000000-0000-0000-0000-000000000000', is_done = false
WHERE account_id IS NOT NULL;
INSERT INTO account_work (account_id, task, due_time)
SELECT account_id, 'search', now() FROM searches
ON CONFLICT (account_id, task) DO NOTHING;
