import type { TenantId, UserId } from '@parley/protocol';

/** Users hash to slots, and slots have owners (DESIGN 5.6): few enough for one table, many enough to spread evenly. */
export const SLOT_COUNT = 4096;

/** A number from 0 to `SLOT_COUNT - 1`. */
export type Slot = number;

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** The slot of a user: the same on every supernode and in every version, since it decides who owns the user. */
export function slotOf(tenant: TenantId, userId: UserId): Slot {
  return hash32(`${tenant} ${userId}`) % SLOT_COUNT;
}

/** FNV-1a over the UTF-16 units, then the finaliser of MurmurHash3, without which neighbours share their low bits. */
export function hash32(text: string): number {
  let hash = FNV_OFFSET;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME);
  }
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
