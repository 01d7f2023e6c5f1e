-- KEYS state; ARGV the most to answer. Answers the number of leases that stand, the epoch,
-- and batch and window of those that ran out. Forgets settled ones that are past.
local state = KEYS[1]
if not live(state) then return {0, '0'} end
local now, most, standing = now_ms(), tonumber(ARGV[1]), 0
local answer = {0, redis.call('HGET', state, 'epoch')}
local all = redis.call('HGETALL', state)
for i = 1, #all, 2 do
  local batch = string.match(all[i], '^lease:(.+)$')
  if batch then
    standing = standing + 1
    local window, _, _, deadline, status = parse_lease(all[i + 1])
    if deadline <= now then
      if status == 'settled' then
        redis.call('HDEL', state, all[i])
      elseif #answer < 2 + 2 * most then
        answer[#answer + 1] = batch
        answer[#answer + 1] = window
      end
    end
  end
end
answer[1] = standing
return answer
