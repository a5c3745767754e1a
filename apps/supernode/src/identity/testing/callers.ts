import { createHash } from 'node:crypto';
import { DEFAULT_TENANT, deviceIdSchema, userIdSchema, type TenantId } from '@parley/protocol';
import type { Caller } from '../caller.ts';

/** A linked device of `user` whose id follows from the two names. */
export function callerNamed(user: string, device = 'phone', tenant: TenantId = DEFAULT_TENANT): Caller {
  const deviceId = deviceIdSchema.parse(createHash('sha256').update(`${user}/${device}`).digest('base64url'));
  return { tenant, userId: userIdSchema.parse(user), deviceId, linked: true };
}
