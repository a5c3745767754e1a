import { redisScript } from '../redis/redis-script.ts';

/**
 * Leases end by Redis' clock, so that clocks of supernodes do not matter. KEYS records (a hash of `<incarnation> <record>`) and leases (a
 * sorted set by end).
 */
const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** ARGV node, incarnation, record, time to live. Whether the lease is this incarnation's now. */
export const RENEW_LEASE = redisScript(
  'lease-renew',
  `${NOW}
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do
  redis.call('ZREM', KEYS[2], node)
  redis.call('HDEL', KEYS[1], node)
end
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held and tonumber(string.match(held, '^%d+')) > tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
redis.call('ZADD', KEYS[2], now + ARGV[4], ARGV[1])
for _, key in ipairs(KEYS) do
  if redis.call('PTTL', key) < tonumber(ARGV[4]) then redis.call('PEXPIRE', key, ARGV[4]) end
end
return 1
`,
);

/** ARGV node, incarnation. */
export const RELEASE_LEASE = redisScript(
  'lease-release',
  `
local held = redis.call('HGET', KEYS[1], ARGV[1])
if not held or string.match(held, '^%d+') ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
`,
);

/** Every record with a lease now. */
export const LIST_LEASES = redisScript(
  'lease-list',
  `${NOW}
local nodes = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. now, '+inf')
if #nodes == 0 then return {} end
return redis.call('HMGET', KEYS[1], unpack(nodes))
`,
);

/** KEYS coordinator; ARGV `<incarnation> <node>`, time to live. Whether the lease is this incarnation's now. */
export const HOLD_COORDINATOR = redisScript(
  'coordinator-hold',
  `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`,
);

/** KEYS coordinator; ARGV `<incarnation> <node>`. */
export const RELEASE_COORDINATOR = redisScript(
  'coordinator-release',
  `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`,
);
