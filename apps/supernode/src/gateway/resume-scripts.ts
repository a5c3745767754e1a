import { redisScript } from '../redis/redis-script.ts';

/**
 * A record is a hash: `t` hash of the token, `l` linked (1 or 0), `n` sequence, `c` complete since, `e` epoch, `z` sealed (1 or 0), `p` when the
 * token was last noted, in seconds. Its events are a list of `<number> <event>`, oldest first. KEYS are the record, its events and
 * the devices of the user; ARGV begins with the epoch of the writer and the time to live.
 */
const WRITE = `
local function write()
  redis.call('HSET', KEYS[1], 'e', ARGV[1], 'z', '0')
  for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
end
local function isDue()
  local now = tonumber(redis.call('TIME')[1])
  if now - tonumber(redis.call('HGET', KEYS[1], 'p')) < 3600 then return '' end
  redis.call('HSET', KEYS[1], 'p', now)
  return redis.call('HGET', KEYS[1], 't')
end
local epoch = tonumber(redis.call('HGET', KEYS[1], 'e') or '-1')
`;

const FENCE = `
if epoch < 0 or tonumber(ARGV[1]) < epoch then return 0 end
`;

/**
 * KEYS … fence of the slot, for a device that has no record; ARGV … device, hash of the token, linked. The hash of the token that it
 * replaces, empty without one; 0 when it is not open.
 */
export const OPEN_RESUME = redisScript(
  'resume-open',
  `${WRITE}
local seen = tonumber(redis.call('GET', KEYS[4]) or '0')
if tonumber(ARGV[1]) < math.max(epoch, seen) then return 0 end
if tonumber(ARGV[1]) > seen then redis.call('SET', KEYS[4], ARGV[1]) end
local replaced = redis.call('HGET', KEYS[1], 't') or ''
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], 't', ARGV[4], 'l', ARGV[5], 'n', '0', 'c', '0', 'p', redis.call('TIME')[1])
redis.call('SADD', KEYS[3], ARGV[3])
write()
return replaced
`,
);

/** ARGV … most events, then number and event of each. For each whether it was added. */
export const APPEND_RESUME = redisScript(
  'resume-append',
  `${WRITE}${FENCE}
local sequence = tonumber(redis.call('HGET', KEYS[1], 'n'))
local complete = tonumber(redis.call('HGET', KEYS[1], 'c'))
local added = {}
for i = 4, #ARGV, 2 do
  local number = tonumber(ARGV[i])
  if number <= sequence then
    added[#added + 1] = 0
  else
    if number ~= sequence + 1 then complete = number - 1 end
    sequence = number
    if redis.call('RPUSH', KEYS[2], ARGV[i] .. ' ' .. ARGV[i + 1]) > tonumber(ARGV[3]) then
      local oldest = redis.call('LPOP', KEYS[2])
      complete = math.max(complete, tonumber(string.match(oldest, '^%d+')))
    end
    added[#added + 1] = 1
  end
end
redis.call('HSET', KEYS[1], 'n', string.format('%.0f', sequence), 'c', string.format('%.0f', complete))
write()
return added
`,
);

/** ARGV … sequence. The hash of the token when that is to be noted again. */
export const TRIM_RESUME = redisScript(
  'resume-trim',
  `${WRITE}${FENCE}
local received = tonumber(ARGV[3])
local sequence = tonumber(redis.call('HGET', KEYS[1], 'n'))
local complete = tonumber(redis.call('HGET', KEYS[1], 'c'))
redis.call('HSET', KEYS[1], 'c', string.format('%.0f', math.max(complete, math.min(received, sequence))))
local oldest = redis.call('LINDEX', KEYS[2], 0)
while oldest and tonumber(string.match(oldest, '^%d+')) <= received do
  redis.call('LPOP', KEYS[2])
  oldest = redis.call('LINDEX', KEYS[2], 0)
end
write()
return isDue()
`,
);

/** ARGV … sequence, and the one that was read. 2 when that is not the stored one any more. */
export const TAKE_OVER_RESUME = redisScript(
  'resume-take-over',
  `${WRITE}${FENCE}
if redis.call('HGET', KEYS[1], 'n') ~= ARGV[4] then return 2 end
if redis.call('HGET', KEYS[1], 'n') ~= ARGV[3] then redis.call('HSET', KEYS[1], 'n', ARGV[3], 'c', ARGV[3]) end
write()
return 1
`,
);

/** ARGV … field, value: what changes besides. */
export const MARK_RESUME = redisScript(
  'resume-mark',
  `${WRITE}${FENCE}
write()
redis.call('HSET', KEYS[1], ARGV[3], ARGV[4])
return 1
`,
);

/** ARGV … device. The hash of its token. */
export const CLOSE_RESUME = redisScript(
  'resume-close',
  `${WRITE}${FENCE}
local token = redis.call('HGET', KEYS[1], 't')
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SREM', KEYS[3], ARGV[3])
return token
`,
);

/** KEYS devices of the user; ARGV what precedes a device in the keys of records and of events, devices or none for all. */
export const READ_RESUME = redisScript(
  'resume-read',
  `
local devices = {}
for i = 3, #ARGV do devices[#devices + 1] = ARGV[i] end
if #devices == 0 then devices = redis.call('SMEMBERS', KEYS[1]) end
local records = {}
for _, device in ipairs(devices) do
  local record = redis.call('HMGET', ARGV[1] .. device, 't', 'l', 'n', 'c', 'e', 'z')
  if record[1] then
    records[#records + 1] = {device, record, redis.call('LRANGE', ARGV[2] .. device, 0, -1)}
  else
    redis.call('SREM', KEYS[1], device)
  end
end
return records
`,
);
