import { redisScript } from '../redis/redis-script.ts';

/**
 * A session is a hash: `s` the session itself, `v` how often it was written, `state`, `call` (1 or 0), `caller` (its device), and `i` the
 * indexes that name it. An index is a sorted set in the order in which sessions came into it. All keys share one hash tag.
 */
const KEEP = `
local function lives(key, ttl)
  if redis.call('PTTL', key) < tonumber(ttl) then redis.call('PEXPIRE', key, ttl) end
end
local function keep(record, expiries, indexes, member, session, state, call, caller, expiresAt, ttl)
  redis.call('HSET', record, 's', session, 'state', state, 'call', call, 'caller', caller, 'i', table.concat(indexes, '\\n'))
  redis.call('HINCRBY', record, 'v', 1)
  redis.call('PEXPIRE', record, ttl)
  redis.call('ZADD', expiries, expiresAt, member)
  lives(expiries, ttl)
  for _, index in ipairs(indexes) do
    if not redis.call('ZSCORE', index, member) then
      local last = redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')
      redis.call('ZADD', index, (last[2] or 0) + 1, member)
    end
    lives(index, ttl)
  end
end
`;

const DROP = `
local function unindex(record, member, kept)
  for index in string.gmatch(redis.call('HGET', record, 'i') or '', '[^\\n]+') do
    if not kept[index] then redis.call('ZREM', index, member) end
  end
end
local function drop(record, expiries, member)
  unindex(record, member, {})
  redis.call('ZREM', expiries, member)
  redis.call('DEL', record)
end
`;

/**
 * KEYS record, expiries, used, indexes; ARGV member, session, state, call, caller, expiry, time to live, now, replay window, time to live of
 * the use. Whether the id was free.
 */
export const OPEN_SESSION = redisScript(
  'session-open',
  `${KEEP}
local usedAt = tonumber(redis.call('GET', KEYS[3]) or '-inf')
if ARGV[8] - usedAt <= tonumber(ARGV[9]) or redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('SET', KEYS[3], ARGV[8], 'PX', ARGV[10])
local indexes = {}
for i = 4, #KEYS do indexes[#indexes + 1] = KEYS[i] end
keep(KEYS[1], KEYS[2], indexes, ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7])
return 1
`,
);

/** KEYS record, expiries, indexes; ARGV member, session, state, call, caller, expiry, time to live, version. Whether that was its version. */
export const REPLACE_SESSION = redisScript(
  'session-replace',
  `${KEEP}${DROP}
if redis.call('HGET', KEYS[1], 'v') ~= ARGV[8] then return 0 end
local indexes, kept = {}, {}
for i = 3, #KEYS do
  indexes[#indexes + 1] = KEYS[i]
  kept[KEYS[i]] = true
end
unindex(KEYS[1], ARGV[1], kept)
keep(KEYS[1], KEYS[2], indexes, ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7])
return 1
`,
);

/** KEYS record, expiries; ARGV member, version. Whether that was its version. */
export const END_SESSION = redisScript(
  'session-end',
  `${DROP}
if redis.call('HGET', KEYS[1], 'v') ~= ARGV[2] then return 0 end
drop(KEYS[1], KEYS[2], ARGV[1])
return 1
`,
);

/** KEYS index; ARGV prefix of records. The sessions that it names. */
export const SESSIONS_IN = redisScript(
  'session-list',
  `
local sessions = {}
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local session = redis.call('HGET', ARGV[1] .. member, 's')
  if session then sessions[#sessions + 1] = session else redis.call('ZREM', KEYS[1], member) end
end
return sessions
`,
);

/** KEYS index; ARGV prefix of records, caller. How many of them are offered and answered. */
export const COUNT_SESSIONS = redisScript(
  'session-count',
  `
local offered, answered = 0, 0
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local session = redis.call('HMGET', ARGV[1] .. member, 'caller', 'state')
  if session[1] == ARGV[2] and session[2] == 'offered' then offered = offered + 1 end
  if session[1] == ARGV[2] and session[2] == 'answered' then answered = answered + 1 end
end
return {offered, answered}
`,
);

/**
 * KEYS index, expiries; ARGV prefix of records, caller, most, and whether only answered ones. Takes sessions of the caller out, answered
 * calls aside, and gives them.
 */
export const TAKE_SESSIONS = redisScript(
  'session-take',
  `${DROP}
local taken = {}
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if #taken == tonumber(ARGV[3]) then break end
  local record = ARGV[1] .. member
  local session = redis.call('HMGET', record, 's', 'caller', 'state', 'call')
  local isAnswered = session[3] == 'answered'
  local isWanted = not (isAnswered and session[4] == '1') and (isAnswered or ARGV[4] == '0')
  if session[1] and session[2] == ARGV[2] and isWanted then
    taken[#taken + 1] = session[1]
    drop(record, KEYS[2], member)
  end
end
return taken
`,
);

/**
 * KEYS expiries, taken; ARGV prefix of records, now, most, when what is given now is given again, time to live of that. Takes sessions
 * out whose time is over, and gives them, and those that were taken earlier and are to be given again.
 */
export const TAKE_EXPIRED_SESSIONS = redisScript(
  'session-expire',
  `${DROP}
local given = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[2], 'LIMIT', 0, ARGV[3])
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[2], 'LIMIT', 0, ARGV[3] - #given)) do
  local record = ARGV[1] .. member
  local session = redis.call('HGET', record, 's')
  if session then given[#given + 1] = session end
  drop(record, KEYS[1], member)
end
for _, session in ipairs(given) do redis.call('ZADD', KEYS[2], ARGV[4], session) end
if #given > 0 then redis.call('PEXPIRE', KEYS[2], ARGV[5]) end
return given
`,
);
