/** How long a removed member is remembered: what was sent before may still arrive, and nothing is under way for that long. */
export const REMOVED_MS = 10 * 60_000;

/** Milliseconds of Redis' clock. */
export const REDIS_NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** What precedes the name of a removed member; none of the others begins so. */
export const REMOVED = ' ';

/**
 * Begins scripts that write a member of an index which is not in the slot of who writes it, where no fence of that slot can be asked.
 * The index is a hash; it has for each member the epoch of its writer's tenure, and after a space what else is said of it. The epoch under
 * which a member was removed stays for a while, under its name after a space, and in a sorted set by when that ends: a home of
 * yesterday neither takes away what a later one wrote, nor brings back what a later one took away. KEYS begin with the two.
 */
export const MEMBER_FENCE = `${REDIS_NOW}
local function isOutranked(member, epoch)
  local said = redis.call('HGET', KEYS[1], member) or redis.call('HGET', KEYS[1], '${REMOVED}' .. member)
  return said and tonumber(epoch) < tonumber(string.match(said, '^%d+'))
end
local function put(member, said)
  redis.call('HSET', KEYS[1], member, said)
  redis.call('HDEL', KEYS[1], '${REMOVED}' .. member)
  redis.call('ZREM', KEYS[2], member)
end
local function remove(member, epoch)
  redis.call('HDEL', KEYS[1], member)
  redis.call('HSET', KEYS[1], '${REMOVED}' .. member, epoch)
  redis.call('ZADD', KEYS[2], now + ${REMOVED_MS}, member)
end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 100)) do
  redis.call('ZREM', KEYS[2], member)
  redis.call('HDEL', KEYS[1], '${REMOVED}' .. member)
end
`;
