-- KEYS rebuild; ARGV nonce. Lets others try at once.
if rebuild_at(KEYS[1]) == ARGV[1] .. ':' .. run() then redis.call('DEL', KEYS[1]) end
return {0}
