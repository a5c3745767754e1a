/** First word of the error with which a fenced script refuses an epoch. */
export const STALE_EPOCH = 'STALE_EPOCH';

/**
 * Begins every script that writes for the users of a slot: refuses an epoch below the highest that was seen for the slot, and
 * remembers a higher one. `KEYS[1]` is the slot's fence, `ARGV[1]` the epoch of the writer's tenure.
 */
export const SLOT_FENCE = `
local seen = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) < seen then
  return redis.error_reply('${STALE_EPOCH} the slot has had a later owner')
end
if tonumber(ARGV[1]) > seen then redis.call('SET', KEYS[1], ARGV[1]) end
`;
