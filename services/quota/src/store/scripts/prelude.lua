-- Shared by all scripts. Numbers are at most 2^52, so Lua's doubles hold them exactly.

-- Whether the state was built in this life of the server. A server that was started anew may
-- have lost the last second of its log, so what it remembers counts for nothing.
local function run()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end
local function live(state)
  local built_in = redis.call('HGET', state, 'run')
  return built_in and built_in == run()
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
local function units(state, window)
  local found = redis.call('HMGET', state, window .. ':profile.used', window .. ':profile.reserved',
    window .. ':activity.used', window .. ':activity.reserved')
  for i = 1, 4 do found[i] = tonumber(found[i] or '0') end
  return found
end
