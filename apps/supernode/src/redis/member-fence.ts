/** How long a removed member is remembered: what was sent before may still arrive, and nothing is under way for that long. */
export const REMOVED_MS = 10 * 60_000;

/** Milliseconds of Redis' clock. */
export const REDIS_NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/**
 * Begins scripts that write a member of an index which is not in the slot of who writes it, where no fence of that slot can be asked.
 * The index is a hash; it has for each member the epoch of its writer's tenure, and after a space what else is said of it. A member that was
 * removed stays for a while with a minus before the epoch, and in a sorted set by when that ends: a home of yesterday neither takes
 * away what a later one wrote, nor brings back what a later one took away.
 */
export const MEMBER_FENCE = `${REDIS_NOW}
local function isOutranked(index, member, epoch)
  local said = redis.call('HGET', index, member)
  return said and tonumber(epoch) < tonumber(string.match(said, '^%-?(%d+)'))
end
local function put(index, removed, member, said)
  redis.call('HSET', index, member, said)
  redis.call('ZREM', removed, member)
end
local function remove(index, removed, member, epoch)
  redis.call('HSET', index, member, '-' .. epoch)
  redis.call('ZADD', removed, now + ${REMOVED_MS}, member)
end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 100)) do
  redis.call('ZREM', KEYS[2], member)
  redis.call('HDEL', KEYS[1], member)
end
`;
