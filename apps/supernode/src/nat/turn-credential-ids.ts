import { createHash, createHmac } from 'node:crypto';
import { DEFAULT_TENANT } from '@parley/protocol';

/** 96 bits: enough that two devices of one tenant never share a quota. */
const REF_LENGTH = 16;
const SEPARATOR = '/';

/** Whose credential it is; without a device, all devices of the user. */
export interface TurnCredentialOwner {
  readonly tenantId: string;
  readonly userId: string;
  readonly deviceId?: string;
}

/** What TURN usernames begin with for a tenant; nothing for the default one, so that any software can make credentials for it. */
export function tenantRefOf(tenantId: string): string {
  if (tenantId === DEFAULT_TENANT) return '';
  return createHash('sha256').update(tenantId).digest('base64url').slice(0, REF_LENGTH);
}

/**
 * `[tenant/]user[/device]`, each a pseudonym under the tenant's secret: TURN usernames travel in the clear, so nobody on the
 * path may recognise a user by them.
 */
export function credentialIdOf({ tenantId, userId, deviceId }: TurnCredentialOwner, secret: string): string {
  const ref = (text: string): string =>
    createHmac('sha256', secret)
      .update(`turn credential id ${text}`)
      .digest('base64url')
      .slice(0, REF_LENGTH);
  const tenantRef = tenantRefOf(tenantId);
  const segments = [
    tenantRef,
    ref(`user ${userId}`),
    deviceId === undefined ? '' : ref(`device ${userId} ${deviceId}`),
  ];
  return segments.filter((segment) => segment !== '').join(SEPARATOR);
}
