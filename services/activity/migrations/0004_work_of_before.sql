-- Every account has rows that go by their age.
INSERT INTO account_work (account_id, task, due_time)
SELECT account_id, 'keep', now() FROM accounts;
