import { createHash } from 'node:crypto';

/** Lua that Redis runs as one step; sent by its digest, and in full to a server that has not seen it. */
export interface RedisScript {
  /** For metrics. */
  readonly name: string;
  readonly lua: string;
  readonly sha1: string;
}

export function redisScript(name: string, lua: string): RedisScript {
  return { name, lua, sha1: createHash('sha1').update(lua).digest('hex') };
}
