-- Writes what waits for one source, all or nothing.
--
-- KEYS: writes, names, identifies, log, folded lines, their counts, their order, recent events, how
-- many were left out beside them.
-- ARGV: the id of this write; seconds to live; how many writes are remembered, samples of a
-- list, names, lines, folded lines and recent events are kept; the beginning of the keys of tracks' samples;
-- then operations, each with its arguments.
local writes, names, identifies, log, folded, counts, order, recent, left_out = unpack(KEYS)
local id, ttl, tracks = ARGV[1], ARGV[2], ARGV[9]
local max_writes, max_samples, max_names = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local max_lines, max_folded, max_recent = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])

-- The same write comes again where a connection broke before its answer was there.
if redis.call('LPOS', writes, id) then
    return 0
end
redis.call('LPUSH', writes, id)
redis.call('LTRIM', writes, 0, max_writes - 1)
redis.call('EXPIRE', writes, ttl)

-- A name begins with 32 characters that its samples' key ends with.
local function samples_of(name)
    return tracks .. string.sub(name, 1, 32)
end

-- Newest first, in a list that keeps that order.
local function keep(list, first, count, limit)
    for place = first, first + count - 1 do
        redis.call('LPUSH', list, ARGV[place])
    end
    redis.call('LTRIM', list, 0, limit - 1)
    redis.call('EXPIRE', list, ttl)
end

local at = 10
while at <= #ARGV do
    local operation = ARGV[at]
    if operation == 'identifies' then
        local count = tonumber(ARGV[at + 1])
        keep(identifies, at + 2, count, max_samples)
        at = at + 2 + count
    elseif operation == 'name' then
        local time, name, count = ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
        redis.call('ZADD', names, 'GT', time, name)
        if count > 0 then
            keep(samples_of(name), at + 4, count, max_samples)
        end
        at = at + 4 + count
    elseif operation == 'lines' then
        local count = tonumber(ARGV[at + 1])
        keep(log, at + 2, count, max_lines)
        at = at + 2 + count
    elseif operation == 'recent' then
        local count = tonumber(ARGV[at + 1])
        keep(recent, at + 2, count, max_recent)
        at = at + 2 + count
    elseif operation == 'left_out' then
        keep(left_out, at + 1, 1, max_recent)
        at = at + 2
    elseif operation == 'folded' then
        local time, key, count, line = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
        local before = redis.call('ZSCORE', order, key)
        if not before or tonumber(before) <= tonumber(time) then
            redis.call('ZADD', order, time, key)
            redis.call('HSET', folded, key, line)
        end
        redis.call('HINCRBY', counts, key, count)
        at = at + 5
    else
        return redis.error_reply('unknown operation')
    end
end

-- What falls out takes along what belongs to it.
local surplus = redis.call('ZCARD', names) - max_names
if surplus > 0 then
    local popped = redis.call('ZPOPMIN', names, surplus)
    for place = 1, #popped, 2 do
        redis.call('DEL', samples_of(popped[place]))
    end
end
surplus = redis.call('ZCARD', order) - max_folded
if surplus > 0 then
    local popped = redis.call('ZPOPMIN', order, surplus)
    for place = 1, #popped, 2 do
        redis.call('HDEL', folded, popped[place])
        redis.call('HDEL', counts, popped[place])
    end
end
for _, key in ipairs({names, folded, counts, order}) do
    redis.call('EXPIRE', key, ttl)
end
return 1
