-- That a contact stands merged into one other. Of those that stand, said in a way that no look-up
-- says it, or the planner would take this index for all that ask for them, by the account alone.
-- The index that it takes the place of goes in a file of its own: nobody waits for both at once.
CREATE UNIQUE INDEX merges_that_stand ON merges (account_id, merged_id)
    WHERE COALESCE(split_time, 'infinity') = 'infinity';
