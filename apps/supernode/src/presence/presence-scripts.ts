import { redisScript } from '../redis/redis-script.ts';
import { SLOT_FENCE } from '../redis/slot-fence.ts';

/**
 * A user's hash has a field for each device, `d:<id>`, and `c`, the counter of the newest write. Counters are microseconds of Redis' clock
 * and at least one more than the last, so that they go on growing after a removal and after Redis was emptied.
 */
const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local last = tonumber(redis.call('HGET', KEYS[2], 'c') or '0')
`;

/** KEYS fence, user, users of the slot; ARGV epoch, time to live, member, device, presence. Whether the user is new to the slot. */
export const PUT_PRESENCE = redisScript(
  'presence-put',
  `${SLOT_FENCE}${NOW}
redis.call('HSET', KEYS[2], 'd:' .. ARGV[4], ARGV[5], 'c', string.format('%.0f', math.max(now, last + 1)))
redis.call('PEXPIRE', KEYS[2], ARGV[2])
local isNew = redis.call('SADD', KEYS[3], ARGV[3])
redis.call('PEXPIRE', KEYS[3], ARGV[2])
return isNew
`,
);

/** KEYS fence, user, users of the slot; ARGV epoch, time to live, member, device. Whether it was the user's last device. */
export const REMOVE_PRESENCE = redisScript(
  'presence-remove',
  `${SLOT_FENCE}${NOW}
if redis.call('HDEL', KEYS[2], 'd:' .. ARGV[4]) == 0 then return 0 end
redis.call('HSET', KEYS[2], 'c', string.format('%.0f', math.max(now, last + 1)))
if redis.call('HLEN', KEYS[2]) > 1 then return 0 end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('SREM', KEYS[3], ARGV[3])
return 1
`,
);

/** KEYS fence, user. Epoch, counter, and fields with their values. */
export const READ_PRESENCE = redisScript(
  'presence-read',
  `${NOW}
return {redis.call('GET', KEYS[1]) or '0', string.format('%.0f', math.max(now, last)), redis.call('HGETALL', KEYS[2])}
`,
);

/** KEYS fence, user, users of the slot; ARGV epoch, time to live, member. Whether the user has a device. */
export const RENEW_PRESENCE = redisScript(
  'presence-renew',
  `${SLOT_FENCE}
if redis.call('HLEN', KEYS[2]) < 2 then
  redis.call('SREM', KEYS[3], ARGV[3])
  return 0
end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('SADD', KEYS[3], ARGV[3])
redis.call('PEXPIRE', KEYS[3], ARGV[2])
return 1
`,
);
