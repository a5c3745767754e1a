import { MEMBER_FENCE, REMOVED_MS } from '../redis/member-fence.ts';
import { redisScript } from '../redis/redis-script.ts';
import { SLOT_FENCE } from '../redis/slot-fence.ts';

/** KEYS fence, watched, unwatched; ARGV epoch, time to live, limit, users. Whether all of them are watched now. */
export const WATCH = redisScript(
  'watch',
  `${SLOT_FENCE}
local fresh = 0
for i = 4, #ARGV do
  if redis.call('SISMEMBER', KEYS[2], ARGV[i]) == 0 then fresh = fresh + 1 end
end
if redis.call('SCARD', KEYS[2]) + fresh > tonumber(ARGV[3]) then return 0 end
for i = 4, #ARGV do
  redis.call('SADD', KEYS[2], ARGV[i])
  redis.call('SREM', KEYS[3], ARGV[i])
end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
`,
);

/**
 * KEYS fence, watched, unwatched; ARGV epoch, time to live, users or none for all. Those among whose watchers the device may still
 * be: these as far as it watched them, and what an earlier call did not get to.
 */
export const UNWATCH = redisScript(
  'unwatch',
  `${SLOT_FENCE}
local users = {}
for i = 3, #ARGV do users[#users + 1] = ARGV[i] end
if #users == 0 then users = redis.call('SMEMBERS', KEYS[2]) end
for _, user in ipairs(users) do
  if redis.call('SREM', KEYS[2], user) == 1 then redis.call('SADD', KEYS[3], user) end
end
redis.call('PEXPIRE', KEYS[3], ARGV[2])
return redis.call('SMEMBERS', KEYS[3])
`,
);

/** KEYS fence, watched, unwatched; ARGV epoch, users among whose watchers the device is no more. */
export const UNWATCHED = redisScript(
  'unwatched',
  `${SLOT_FENCE}
for i = 2, #ARGV do redis.call('SREM', KEYS[3], ARGV[i]) end
return 1
`,
);

/** KEYS fence, watched, unwatched; ARGV epoch, time to live. The watched users, and those that {@link UNWATCH} would give. */
export const WATCHED = redisScript(
  'watched',
  `${SLOT_FENCE}
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return {redis.call('SMEMBERS', KEYS[2]), redis.call('SMEMBERS', KEYS[3])}
`,
);

/** KEYS watchers, former watchers; ARGV epoch of the device's home, device, time to live. */
export const ADD_WATCHER = redisScript(
  'watcher-add',
  `${MEMBER_FENCE}
if isOutranked(ARGV[2], ARGV[1]) then return 0 end
put(ARGV[2], ARGV[1])
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[3]) end
return 1
`,
);

/** KEYS watchers, former watchers; ARGV epoch of the device's home, device. */
export const REMOVE_WATCHER = redisScript(
  'watcher-remove',
  `${MEMBER_FENCE}
if isOutranked(ARGV[2], ARGV[1]) then return 0 end
remove(ARGV[2], ARGV[1])
if redis.call('HLEN', KEYS[1]) == redis.call('ZCARD', KEYS[2]) then redis.call('PEXPIRE', KEYS[1], ${REMOVED_MS}) end
redis.call('PEXPIRE', KEYS[2], redis.call('PTTL', KEYS[1]))
return 1
`,
);
