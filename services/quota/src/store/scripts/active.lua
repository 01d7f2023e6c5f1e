-- KEYS active accounts of a shard; ARGV the first and the last place. Answers who is there, and
-- when each was noted.
if not is_a(KEYS[1], 'zset') then return {} end
return redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[2], 'WITHSCORES')
