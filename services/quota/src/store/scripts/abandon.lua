-- KEYS rebuild; ARGV nonce. Lets others try at once.
if redis.call('GET', KEYS[1]) == ARGV[1] .. ':' .. run() then redis.call('DEL', KEYS[1]) end
return {0}
