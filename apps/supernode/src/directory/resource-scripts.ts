import { redisScript } from '../redis/redis-script.ts';
import { SLOT_FENCE } from '../redis/slot-fence.ts';

/** Keeps a sorted set by expiry as long as its longest-lived member. */
const LIVES = `
local function lives(key, now)
  local last = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')
  if last[2] then redis.call('PEXPIRE', key, math.max(1, last[2] - now)) end
end
`;

/** KEYS fence, offered resources of the device; ARGV epoch, now, limit, resource, expiry. Whether it was within the limit. */
export const OFFER = redisScript(
  'resource-offer',
  `${SLOT_FENCE}${LIVES}
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[2])
local isHeld = redis.call('ZSCORE', KEYS[2], ARGV[4])
if not isHeld and redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', KEYS[2], ARGV[5], ARGV[4])
lives(KEYS[2], ARGV[2])
return 1
`,
);

/** KEYS fence, offered resources of the device; ARGV epoch, resources or none for all. The resources that are left. */
export const WITHDRAW_OFFERS = redisScript(
  'resource-withdraw',
  `${SLOT_FENCE}
for i = 2, #ARGV do redis.call('ZREM', KEYS[2], ARGV[i]) end
return redis.call('ZRANGE', KEYS[2], 0, -1)
`,
);

/** KEYS holders, facts; ARGV now, device, expiry, facts. */
export const ADD_HOLDER = redisScript(
  'holder-add',
  `${LIVES}
for _, device in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 100)) do
  redis.call('ZREM', KEYS[1], device)
  redis.call('HDEL', KEYS[2], device)
end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
lives(KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], redis.call('PTTL', KEYS[1]))
return 1
`,
);

/** KEYS holders, facts; ARGV device. */
export const REMOVE_HOLDER = redisScript(
  'holder-remove',
  `
redis.call('ZREM', KEYS[1], ARGV[1])
return redis.call('HDEL', KEYS[2], ARGV[1])
`,
);

/** KEYS holders, facts; ARGV now, most. Facts of those whose time is not over, the longest-lived first. */
export const READ_HOLDERS = redisScript(
  'holder-read',
  `
local devices = redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
if #devices == 0 then return {} end
return redis.call('HMGET', KEYS[2], unpack(devices))
`,
);
