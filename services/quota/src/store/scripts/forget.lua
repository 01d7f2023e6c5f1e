-- KEYS active accounts of a shard; ARGV account, time. Forgets it, unless it was noted later.
local noted = redis.call('ZSCORE', KEYS[1], ARGV[1])
if noted and tonumber(noted) <= tonumber(ARGV[2]) then redis.call('ZREM', KEYS[1], ARGV[1]) end
return {0}
