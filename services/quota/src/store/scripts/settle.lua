-- KEYS state; ARGV batch, epoch, stored profile units, stored activity units, edge | ledgers.
-- Answers 1 when the reservation was settled, 0 when there was none to settle.
local state, field = KEYS[1], 'lease:' .. ARGV[1]
if not live(state) or redis.call('HGET', state, 'epoch') ~= ARGV[2] then return {0} end
local lease = redis.call('HGET', state, field)
if not lease then return {0} end
local window, profile, activity, deadline, status = parse_lease(lease)
if status ~= 'open' then return {0} end
-- After the lease only the ledgers' word counts.
if ARGV[5] == 'edge' and now_ms() >= deadline then return {0} end
if window >= redis.call('HGET', state, 'floor') then
  local function move(kind, granted, stored)
    redis.call('HINCRBY', state, window .. ':' .. kind .. '.reserved', string.format('%.0f', 0 - granted))
    redis.call('HINCRBY', state, window .. ':' .. kind .. '.used',
      string.format('%.0f', math.min(granted, tonumber(stored))))
  end
  move('profile', profile, ARGV[3])
  move('activity', activity, ARGV[4])
end
if ARGV[5] == 'edge' then
  -- Stays until the lease's end, so that a late repeat of the reservation gets nothing.
  redis.call('HSET', state, field,
    string.format('%s %.0f %.0f %.0f settled', window, profile, activity, deadline))
else
  redis.call('HDEL', state, field)
end
return {1}
