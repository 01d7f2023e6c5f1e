-- KEYS state, leases, rebuild; ARGV nonce, ms until others may try, the epoch and grants that a state
-- must have reached. Answers valid | busy | begun.
if counts(KEYS[1], ARGV[3], ARGV[4]) then return {'valid'} end
local run = run()
local mine = ARGV[1] .. ':' .. run
local other = rebuild_at(KEYS[3])
if other and other ~= mine and string.match(other, ':(%x+)$') == run then return {'busy'} end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SET', KEYS[3], mine, 'PX', ARGV[2])
return {'begun'}
