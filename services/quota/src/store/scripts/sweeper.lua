-- KEYS sweeper; ARGV who asks, ms that it wants to be the one. Answers 1 where it is.
-- An end that none of us has set is somebody else's, and counts for nothing.
local is_taken = is_a(KEYS[1], 'string') and redis.call('GET', KEYS[1]) ~= ARGV[1]
local left = redis.call('PTTL', KEYS[1])
if is_taken and left > 0 and left <= tonumber(ARGV[2]) then return {0} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {1}
