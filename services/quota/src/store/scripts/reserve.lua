-- KEYS state, leases; ARGV window, batch, wanted profile, wanted activity, profile limit,
-- activity limit, lease in ms, the oldest window to keep, seconds until the state is forgotten,
-- the epoch and grants that the state must have reached, then what earlier batches stored: what
-- they leave is free for this one.
-- Answers stale | past | granted, window, epoch, grants, units, what is left of the lease in ms,
-- how many reservations there were to settle, how many grants the state has made.
local state, leases, window, batch = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
if not counts(state, ARGV[10], ARGV[11]) then return {'stale'} end
local settled = settle_all(state, leases, 'edge', 12)
local now = now_ms()
local profile, activity, left = 0, 0, 0
local lease = redis.call('HGET', state, 'lease:' .. batch)
if lease then
  -- The same call again. One that is settled or left to the ledgers has nothing any more.
  local leased_in, p, a, deadline, status = parse_lease(lease)
  window = leased_in
  left = deadline - now
  if status == 'open' and left > 0 then profile, activity = p, a end
else
  local floor = redis.call('HGET', state, 'floor')
  if window < floor then return {'past'} end
  if redis.call('HSETNX', state, window .. ':profile.used', '0') == 1 then
    -- A window opens, once a day: forget those that nobody asks for any more.
    if ARGV[8] > floor then
      for _, field in ipairs(redis.call('HKEYS', state)) do
        local of = string.match(field, '^(%d+%-%d+%-%d+):')
        if of and of < ARGV[8] then redis.call('HDEL', state, field) end
      end
      redis.call('HSET', state, 'floor', ARGV[8])
    end
  end
  local before = units(state, window)
  -- A limit may have shrunk below what is used: then nothing is granted.
  profile = math.max(0, math.min(tonumber(ARGV[3]), tonumber(ARGV[5]) - before[1] - before[2]))
  activity = math.max(0, math.min(tonumber(ARGV[4]), tonumber(ARGV[6]) - before[3] - before[4]))
  left = tonumber(ARGV[7])
  redis.call('ZADD', leases, now + left, batch)
  local function hold(kind, granted)
    if granted == 0 then return end
    redis.call('HINCRBY', state, window .. ':' .. kind .. '.reserved', string.format('%.0f', granted))
  end
  hold('profile', profile)
  hold('activity', activity)
  redis.call('HSET', state, 'lease:' .. batch,
    string.format('%s %.0f %.0f %.0f open', window, profile, activity, now + left))
  redis.call('HINCRBY', state, 'grants', 1)
  redis.call('EXPIRE', state, ARGV[9])
  redis.call('EXPIRE', leases, ARGV[9])
end
local after = units(state, window)
return {'granted', window, redis.call('HGET', state, 'epoch'), profile, activity,
  after[1], after[2], after[3], after[4], left, settled,
  redis.call('HGET', state, 'grants') or '0'}
