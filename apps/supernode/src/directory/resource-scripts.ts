import { MEMBER_FENCE, REDIS_NOW, REMOVED_MS } from '../redis/member-fence.ts';
import { redisScript } from '../redis/redis-script.ts';
import { SLOT_FENCE } from '../redis/slot-fence.ts';

/** Keeps a sorted set by expiry as long as its longest-lived member; gives for how long that is. */
const LIVES = `
local function lives(key)
  local last = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')
  if not last[2] then return 0 end
  local left = math.max(1, last[2] - now)
  redis.call('PEXPIRE', key, left)
  return left
end
`;

/**
 * KEYS fence, offered resources of the device, withdrawn ones; ARGV epoch, time to live, limit, resource. Whether it was within the
 * limit.
 */
export const OFFER = redisScript(
  'resource-offer',
  `${SLOT_FENCE}${REDIS_NOW}${LIVES}
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local isHeld = redis.call('ZSCORE', KEYS[2], ARGV[4])
if not isHeld and redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[4])
redis.call('SREM', KEYS[3], ARGV[4])
lives(KEYS[2])
return 1
`,
);

/**
 * KEYS fence, offered resources of the device, withdrawn ones; ARGV epoch, time to live, resources or none for all. Those among whose
 * holders the device may still be: these as far as it offered them, and what an earlier call did not get to.
 */
export const WITHDRAW = redisScript(
  'resource-withdraw',
  `${SLOT_FENCE}
local resources = {}
for i = 3, #ARGV do resources[#resources + 1] = ARGV[i] end
if #resources == 0 then resources = redis.call('ZRANGE', KEYS[2], 0, -1) end
for _, resource in ipairs(resources) do
  if redis.call('ZREM', KEYS[2], resource) == 1 then redis.call('SADD', KEYS[3], resource) end
end
redis.call('PEXPIRE', KEYS[3], ARGV[2])
return redis.call('SMEMBERS', KEYS[3])
`,
);

/** KEYS fence, offered resources of the device, withdrawn ones; ARGV epoch, resources among whose holders the device is no more. */
export const WITHDRAWN = redisScript(
  'resource-withdrawn',
  `${SLOT_FENCE}
for i = 2, #ARGV do redis.call('SREM', KEYS[3], ARGV[i]) end
return 1
`,
);

/** KEYS offered resources of the device. Each with what is left of its time. */
export const READ_OFFERS = redisScript(
  'resource-read',
  `${REDIS_NOW}
local offers = {}
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf', 'WITHSCORES')
for i = 1, #found, 2 do offers[#offers + 1] = {found[i], found[i + 1] - now} end
return offers
`,
);

/** How long the keys of a resource live: former holders may outlive those that there are. */
const KEEP = `${LIVES}
local function keep()
  local left = lives(KEYS[3])
  if redis.call('EXISTS', KEYS[2]) == 1 then left = math.max(left, ${REMOVED_MS}) end
  redis.call('PEXPIRE', KEYS[1], left)
  redis.call('PEXPIRE', KEYS[2], left)
end
`;

/** KEYS facts, former holders, holders; ARGV epoch of the device's home, device, time to live, facts. */
export const ADD_HOLDER = redisScript(
  'holder-add',
  `${MEMBER_FENCE}${KEEP}
if isOutranked(ARGV[2], ARGV[1]) then return 0 end
for _, device in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 100)) do
  redis.call('ZREM', KEYS[3], device)
  redis.call('HDEL', KEYS[1], device)
end
redis.call('ZADD', KEYS[3], now + ARGV[3], ARGV[2])
put(ARGV[2], ARGV[1] .. ' ' .. ARGV[4])
keep()
return 1
`,
);

/** KEYS facts, former holders, holders; ARGV epoch of the device's home, device. */
export const REMOVE_HOLDER = redisScript(
  'holder-remove',
  `${MEMBER_FENCE}${KEEP}
if isOutranked(ARGV[2], ARGV[1]) then return 0 end
redis.call('ZREM', KEYS[3], ARGV[2])
remove(ARGV[2], ARGV[1])
keep()
return 1
`,
);

/** KEYS facts, former holders, holders; ARGV most. What is left of each one's time, and its facts: the longest-lived first. */
export const READ_HOLDERS = redisScript(
  'holder-read',
  `${REDIS_NOW}
local after = '(' .. string.format('%.0f', now)
local found = redis.call('ZREVRANGEBYSCORE', KEYS[3], '+inf', after, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
local holders = {}
for i = 1, #found, 2 do
  local facts = redis.call('HGET', KEYS[1], found[i])
  if facts then holders[#holders + 1] = {found[i + 1] - now, string.match(facts, '^%d+ (.*)$')} end
end
return holders
`,
);
