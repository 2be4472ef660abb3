-- The whole reservation, atomic in Redis. KEYS: stock, buyers, orders. ARGV: buyer, key.
-- Answers with a status line: "held 7", "repeat 7", "limit" or "sold_out".
local had = redis.call('HGET', KEYS[2], ARGV[1])
if had then
  local id, key = string.match(had, '^(%d+) (.*)$')
  if key == ARGV[2] then
    return { ok = 'repeat ' .. id }
  end
  return { ok = 'limit' }
end
if tonumber(redis.call('GET', KEYS[1]) or '0') < 1 then
  return { ok = 'sold_out' }
end
redis.call('DECR', KEYS[1])
local id = redis.call('RPUSH', KEYS[3], ARGV[1] .. ' ' .. ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], id .. ' ' .. ARGV[2])
return { ok = 'held ' .. id }
