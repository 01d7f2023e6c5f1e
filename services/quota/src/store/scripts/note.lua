-- KEYS active accounts of a shard; ARGV account, time, seconds until the whole is forgotten.
if not is_a(KEYS[1], 'zset') then redis.call('DEL', KEYS[1]) end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return {0}
