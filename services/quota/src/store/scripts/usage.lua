-- KEYS state; ARGV window, the epoch and grants that the state must have reached.
-- Answers stale | past | known, units.
if not counts(KEYS[1], ARGV[2], ARGV[3]) then return {'stale'} end
if ARGV[1] < redis.call('HGET', KEYS[1], 'floor') then return {'past'} end
local found = units(KEYS[1], ARGV[1])
return {'known', found[1], found[2], found[3], found[4]}
