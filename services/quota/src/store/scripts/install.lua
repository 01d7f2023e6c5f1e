-- KEYS state, leases, rebuild; ARGV nonce, epoch, the oldest window, seconds until the state is
-- forgotten, then window, profile units, activity units of each window.
-- Answers 1, or 0 when this rebuild is not the one that stands in this life of the server.
local run = run()
if rebuild_at(KEYS[3]) ~= ARGV[1] .. ':' .. run then return {0} end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'run', run, 'epoch', ARGV[2], 'floor', ARGV[3])
for i = 5, #ARGV, 3 do
  redis.call('HSET', KEYS[1], ARGV[i] .. ':profile.used', ARGV[i + 1],
    ARGV[i] .. ':activity.used', ARGV[i + 2])
end
mark(KEYS[2], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return {1}
