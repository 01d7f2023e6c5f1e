-- What accounts had to be done when nothing was noted of it.
INSERT INTO account_work (account_id, task, due_time)
SELECT a.account_id, t.task, now() + interval '1 hour'
FROM accounts a CROSS JOIN unnest(ARRAY['keep', 'outbox']) AS t (task);
INSERT INTO account_work (account_id, task, due_time)
SELECT account_id, 'reindex', now() FROM reindexes WHERE finish_time IS NULL;
INSERT INTO account_work (account_id, task, due_time)
SELECT account_id, 'search', now() FROM searches WHERE NOT is_done;
INSERT INTO account_work (account_id, task, due_time)
SELECT account_id, 'erasures', min(next_time) FROM erasures WHERE next_time IS NOT NULL
GROUP BY account_id;
