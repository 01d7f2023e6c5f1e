-- KEYS active accounts of a shard; ARGV account, time. Forgets it, unless it was noted later.
if not is_a(KEYS[1], 'zset') then return {0} end
local noted = redis.call('ZSCORE', KEYS[1], ARGV[1])
if noted and tonumber(noted) <= tonumber(ARGV[2]) then redis.call('ZREM', KEYS[1], ARGV[1]) end
return {0}
