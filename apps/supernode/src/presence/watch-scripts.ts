import { redisScript } from '../redis/redis-script.ts';
import { SLOT_FENCE } from '../redis/slot-fence.ts';

/** KEYS fence, watched; ARGV epoch, time to live, limit, users. Whether all of them are watched now. */
export const WATCH = redisScript(
  'watch',
  `${SLOT_FENCE}
local fresh = 0
for i = 4, #ARGV do
  if redis.call('SISMEMBER', KEYS[2], ARGV[i]) == 0 then fresh = fresh + 1 end
end
if redis.call('SCARD', KEYS[2]) + fresh > tonumber(ARGV[3]) then return 0 end
for i = 4, #ARGV do redis.call('SADD', KEYS[2], ARGV[i]) end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
`,
);

/** KEYS fence, watched; ARGV epoch, users. */
export const UNWATCH = redisScript(
  'unwatch',
  `${SLOT_FENCE}
for i = 2, #ARGV do redis.call('SREM', KEYS[2], ARGV[i]) end
return 1
`,
);

/** KEYS fence, watched; ARGV epoch, time to live. The watched users. */
export const WATCHED = redisScript(
  'watched',
  `${SLOT_FENCE}
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return redis.call('SMEMBERS', KEYS[2])
`,
);

/** KEYS watchers; ARGV time to live, device. */
export const ADD_WATCHER = redisScript(
  'watcher-add',
  `
redis.call('SADD', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
`,
);
