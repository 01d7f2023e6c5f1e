-- KEYS sweeper; ARGV who leaves, so that another may begin at once.
if is_a(KEYS[1], 'string') and redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return {0}
