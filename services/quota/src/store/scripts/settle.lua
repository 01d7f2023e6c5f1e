-- KEYS state, leases; ARGV edge | ledgers, then what each batch stored.
-- Answers how many reservations there were to settle.
if not live(KEYS[1]) then return {0} end
return {settle_all(KEYS[1], KEYS[2], ARGV[1], 2)}
