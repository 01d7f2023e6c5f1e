-- KEYS state, rebuild, epochs; ARGV nonce, the lowest epoch to take, ms until others may try,
-- seconds until the last epoch is forgotten. Answers valid | busy | begun, epoch.
if live(KEYS[1]) then return {'valid'} end
local mine = ARGV[1] .. ':' .. run()
local other = redis.call('GET', KEYS[2])
if other and other ~= mine and string.sub(other, -40) == string.sub(mine, -40) then
  return {'busy'}
end
local epoch = math.max(tonumber(ARGV[2]), tonumber(redis.call('GET', KEYS[3]) or '0') + 1,
  tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0') + 1)
local text = string.format('%.0f', epoch)
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], mine, 'PX', ARGV[3])
redis.call('SET', KEYS[3], text, 'EX', ARGV[4])
return {'begun', text}
