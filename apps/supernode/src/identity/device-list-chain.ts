import {
  decodeBase64url,
  decodePayload,
  deviceListSchema,
  type DeviceId,
  type DeviceList,
  type Signed,
  type TenantId,
  type UserId,
} from '@parley/protocol';
import { deviceIdOf, isOpenRegistration, sha256, userIdOfRootKey } from './digest.ts';
import { isSignatureValid } from './ed25519.ts';

/** A device list that is part of a chain. */
export interface KnownDeviceList {
  readonly signed: Signed;
  readonly list: DeviceList;
  /** SHA-256 of the payload bytes: what the next version names as `previous`. */
  readonly hash: string;
  readonly deviceIds: ReadonlySet<DeviceId>;
}

/** A device list whose signature and place in the chain were verified just now. */
export interface VerifiedDeviceList extends KnownDeviceList {
  readonly signedBy: 'root' | 'device' | 'recovery';
}

/** Why a list does not continue a chain. */
export type ChainFault =
  | 'bad-signature'
  | 'malformed'
  | 'wrong-user'
  /** Its version was committed already, with another content. */
  | 'overtaken'
  | 'version-skipped'
  | 'wrong-previous'
  | 'root-changed'
  | 'user-id-not-of-root'
  | 'duplicate-device'
  | 'unentitled-signer';

export type ChainResult = { ok: true; verified: VerifiedDeviceList } | { ok: false; fault: ChainFault };

/** The chain that a list must belong to. */
export interface ChainOwner {
  readonly tenant: TenantId;
  readonly userId: UserId;
}

/**
 * Verifies one version of a device list against the one before it (undefined for version 1): signed by the root key in
 * version 1, later by a device or the recovery key *of the version before*; one more than it, naming its hash; root key,
 * user and tenant never change. A list that was verified when it was stored is read with {@link readStoredList}.
 */
export function verifyDeviceList(
  signed: Signed,
  owner: ChainOwner,
  previous: KnownDeviceList | undefined,
): ChainResult {
  if (!isSignatureValid('deviceList', signed)) return fault('bad-signature');
  const list = decodePayload(deviceListSchema, signed);
  if (!list) return fault('malformed');
  if (list.tenant !== owner.tenant || list.userId !== owner.userId) return fault('wrong-user');
  const version = (previous?.list.version ?? 0) + 1;
  if (list.version !== version) return fault(list.version < version ? 'overtaken' : 'version-skipped');
  if (list.previous !== (previous?.hash ?? null)) return fault('wrong-previous');
  if (previous && list.rootKey !== previous.list.rootKey) return fault('root-changed');
  if (!isUserIdOfRoot(list)) return fault('user-id-not-of-root');
  const deviceIds = deviceIdsOf(list);
  if (deviceIds.size !== list.devices.length) return fault('duplicate-device');
  const signedBy = entitlementOf(signed.signer, list, previous);
  if (!signedBy) return fault('unentitled-signer');
  return { ok: true, verified: { signed, list, hash: payloadHash(signed), deviceIds, signedBy } };
}

/** A list from our own store, which verified it before it was written; undefined when the row is damaged. */
export function readStoredList(signed: Signed): KnownDeviceList | undefined {
  const list = decodePayload(deviceListSchema, signed);
  return list && { signed, list, hash: payloadHash(signed), deviceIds: deviceIdsOf(list) };
}

function entitlementOf(
  signer: string,
  list: DeviceList,
  previous: KnownDeviceList | undefined,
): VerifiedDeviceList['signedBy'] | undefined {
  if (!previous) return signer === list.rootKey ? 'root' : undefined;
  if (previous.list.devices.some((device) => device.key === signer)) return 'device';
  return signer === previous.list.recoveryKey ? 'recovery' : undefined;
}

function isUserIdOfRoot(list: DeviceList): boolean {
  return !isOpenRegistration(list.userId) || list.userId === userIdOfRootKey(bytes(list.rootKey));
}

function deviceIdsOf(list: DeviceList): Set<DeviceId> {
  return new Set(list.devices.map((device) => deviceIdOf(bytes(device.key))));
}

/** SHA-256 of the payload as it was received. */
export function payloadHash(signed: Signed): string {
  return sha256(bytes(signed.payload));
}

function bytes(text: string): Uint8Array {
  // The schema admitted this text as base64url.
  return decodeBase64url(text) ?? new Uint8Array();
}

function fault(reason: ChainFault): ChainResult {
  return { ok: false, fault: reason };
}
