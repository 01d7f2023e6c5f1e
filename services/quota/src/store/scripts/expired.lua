-- KEYS state, leases; ARGV the most to look at. Answers the number of leases that stand, the
-- epoch, whether there may be more that are past, and batch and window of those that ran out.
-- Forgets settled ones that are past. What is not past is not looked at.
local state, leases = KEYS[1], KEYS[2]
if not live(state) then return {0, '0', 0} end
local epoch, most = redis.call('HGET', state, 'epoch'), tonumber(ARGV[1])
index(state, leases, epoch)
local past = redis.call('ZRANGEBYSCORE', leases, 0, now_ms(), 'LIMIT', 0, most)
local answer = {redis.call('ZCARD', leases) - 1, epoch, #past == most and 1 or 0}
if #past == 0 then return answer end
local fields, done, done_fields = {}, {}, {}
for i, batch in ipairs(past) do fields[i] = 'lease:' .. batch end
local found = redis.call('HMGET', state, unpack(fields))
for i, batch in ipairs(past) do
  local window, _, _, _, status = parse_lease(found[i] or '')
  if found[i] and not status then error('this is no lease') end
  if status == 'open' then
    answer[#answer + 1] = batch
    answer[#answer + 1] = window
  else
    done[#done + 1] = batch
    done_fields[#done_fields + 1] = fields[i]
  end
end
if #done > 0 then
  redis.call('HDEL', state, unpack(done_fields))
  redis.call('ZREM', leases, unpack(done))
end
return answer
