import type { TenantId, UserId } from '@parley/protocol';
import { SupernodeError } from '../errors.ts';
import type { Ownership, Tenure } from './ownership.port.ts';

/** @throws SupernodeError SN_NOT_OWNER when this supernode is not the user's home */
export function requiredTenure(
  ownership: Pick<Ownership, 'tenureOf'>,
  tenant: TenantId,
  userId: UserId,
): Tenure {
  const tenure = ownership.tenureOf(tenant, userId);
  if (!tenure) throw notOwner();
  return tenure;
}

export function notOwner(): SupernodeError {
  return new SupernodeError('SN_NOT_OWNER', 'This supernode is not the home of the user.');
}
