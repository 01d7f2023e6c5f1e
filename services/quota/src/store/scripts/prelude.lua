-- Shared by all scripts. Numbers are at most 2^52, so Lua's doubles hold them exactly.

local function run()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end
-- Whether a key holds what it is there for: somebody else may have written to it.
local function is_a(key, kind)
  return redis.call('TYPE', key).ok == kind
end
-- The rebuild that stands, if one does.
local function rebuild_at(key)
  return is_a(key, 'string') and redis.call('GET', key)
end
-- The answer of a key that may hold something else: then there is none. What fails for any
-- other reason, a user who may not ask for one, is no answer of the key.
local function ask(...)
  local found = redis.pcall(...)
  if type(found) ~= 'table' or not found.err then return found end
  if not string.find(found.err, 'WRONGTYPE', 1, true) then error(found) end
  return nil
end
-- Whether the state was built in this life of the server. A server that was started anew may
-- have lost the last second of its log, so what it remembers counts for nothing.
local function live(state)
  local found = ask('HMGET', state, 'run', 'epoch', 'floor')
  -- Something else is at its place, or a part of it is gone.
  if not found or not (found[1] and tonumber(found[2] or '') and found[3]) then return false end
  return found[1] == run()
end
-- Whether the state counts: it is of this life of the server, and not older than the caller
-- knows it (an epoch that a ledger named, or the grants that it has seen): memory can be put
-- back to an earlier moment without a new life.
local function counts(state, epoch, grants)
  if not live(state) then return false end
  local found = redis.call('HMGET', state, 'epoch', 'grants')
  local own_epoch, own_grants = tonumber(found[1]), tonumber(found[2] or '0')
  if not own_grants then return false end
  epoch, grants = tonumber(epoch), tonumber(grants)
  return own_epoch > epoch or (own_epoch == epoch and own_grants >= grants)
end
-- One clock for all replicas.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
-- A lease is "WINDOW PROFILE ACTIVITY DEADLINE open|settled".
local function parse_lease(text)
  local window, profile, activity, deadline, status =
    string.match(text, '^(%S+) (%d+) (%d+) (%d+) (%a+)$')
  return window, tonumber(profile), tonumber(activity), tonumber(deadline), status
end
-- The leases by their deadlines, so that those that ran out are found without reading the others.
-- Only the state says what stands: this says where to look. It carries the epoch of its state,
-- below all deadlines; one that does not is another state's, or was lost, and is made anew.
local MARK = ''
local function mark(leases, epoch)
  redis.call('ZADD', leases, 0 - tonumber(epoch), MARK)
end
local function index(state, leases, epoch)
  local marked = ask('ZSCORE', leases, MARK)
  if marked and tonumber(marked) == 0 - tonumber(epoch) then return end
  redis.call('DEL', leases)
  mark(leases, epoch)
  local all = redis.call('HGETALL', state)
  for i = 1, #all, 2 do
    local batch = string.match(all[i], '^lease:(.+)$')
    if batch then
      local _, _, _, deadline = parse_lease(all[i + 1])
      redis.call('ZADD', leases, deadline or 0, batch)
    end
  end
  local left = redis.call('PTTL', state)
  if left > 0 then redis.call('PEXPIRE', leases, left) end
end
local function units(state, window)
  local found = redis.call('HMGET', state, window .. ':profile.used', window .. ':profile.reserved',
    window .. ':activity.used', window .. ':activity.reserved')
  for i = 1, 4 do
    local number = tonumber(found[i] or '0')
    if not (number and number >= 0 and number <= 2 ^ 52 and number % 1 == 0) then
      error('these are no units')
    end
    found[i] = number
  end
  return found
end
-- Books what a batch stored, and frees the rest of its grant. `who` is edge | ledgers.
-- Answers whether there was a reservation to settle.
local function settle(state, leases, who, batch, epoch, stored_profile, stored_activity)
  if redis.call('HGET', state, 'epoch') ~= epoch then return false end
  local field = 'lease:' .. batch
  local lease = redis.call('HGET', state, field)
  if not lease then return false end
  local window, profile, activity, deadline, status = parse_lease(lease)
  if status ~= 'open' then return false end
  -- After the lease only the ledgers' word counts.
  if who == 'edge' and now_ms() >= deadline then return false end
  if window >= redis.call('HGET', state, 'floor') then
    local function move(kind, granted, stored)
      if granted == 0 then return end
      redis.call('HINCRBY', state, window .. ':' .. kind .. '.reserved', string.format('%.0f', 0 - granted))
      redis.call('HINCRBY', state, window .. ':' .. kind .. '.used',
        string.format('%.0f', math.min(granted, tonumber(stored))))
    end
    move('profile', profile, stored_profile)
    move('activity', activity, stored_activity)
  end
  if who == 'edge' then
    -- Stays until the lease's end, so that a late repeat of the reservation gets nothing.
    redis.call('HSET', state, field,
      string.format('%s %.0f %.0f %.0f settled', window, profile, activity, deadline))
  else
    redis.call('HDEL', state, field)
    redis.call('ZREM', leases, batch)
  end
  return true
end
-- The same for batch, epoch, profile units, activity units, again and again, from the
-- `first` argument on. Answers how many there were to settle.
local function settle_all(state, leases, who, first)
  local settled = 0
  for i = first, #ARGV, 4 do
    if settle(state, leases, who, ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]) then
      settled = settled + 1
    end
  end
  return settled
end
