-- `merges_that_stand` is there for it, and begins with the account.
DROP INDEX merges_standing;
