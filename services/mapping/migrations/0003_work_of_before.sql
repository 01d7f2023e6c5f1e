-- Every account has rows that go by their age.
INSERT INTO account_work (account_id, task, due_time)
SELECT account_id, 'keep', now() FROM accounts;
-- Mails and calls that wait, and those that were kept or given up.
INSERT INTO account_work (account_id, task, due_time)
SELECT account_id, CASE channel WHEN 1 THEN 'mail' ELSE 'webhook' END, min(next_try_time)
FROM deliveries WHERE state = 1 GROUP BY account_id, channel;
INSERT INTO account_work (account_id, task, due_time)
SELECT account_id, 'undelivered', min(create_time)
FROM deliveries WHERE state = 1 OR state > 2 GROUP BY account_id;

-- They are looked for account by account.
DROP INDEX deliveries_waiting;
CREATE INDEX deliveries_waiting ON deliveries (account_id, next_try_time) WHERE state = 1;
