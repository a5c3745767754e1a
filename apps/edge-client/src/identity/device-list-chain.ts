/**
 * The chain of device lists of one user (DESIGN 6.2), verified without I/O. The supernode only carries the lists: it can
 * withhold a version, but not make, change, reorder or forget one without being noticed.
 */
import {
  decodeBase64url,
  decodePayload,
  deviceListSchema,
  encodeBase64url,
  type DeviceId,
  type DeviceList,
  type ListedDevice,
  type Signed,
  type TenantId,
  type UserId,
} from '@parley/protocol';
import { edgeError, type EdgeClientError } from '../errors.ts';
import { deviceIdOf, sha256 } from './keys.ts';
import { isSignatureValid, payloadHash } from './signing.ts';

/** What is remembered of a user: the last verified version. Pins survive restarts. */
export interface DeviceListPin {
  readonly rootKey: string;
  readonly version: number;
  /** SHA-256 of the payload bytes of that version. */
  readonly hash: string;
  readonly recoveryKey: string;
  readonly devices: readonly ListedDevice[];
}

export interface ChainOwner {
  readonly tenant: TenantId;
  readonly userId: UserId;
}

/** Accounts of open registration are named after their root key, so their first list proves itself. */
const SELF_NAMED_PREFIX = 'u.';

/** The verified device with this id, if the user has one. */
export function findDevice(pin: DeviceListPin, deviceId: DeviceId): ListedDevice | undefined {
  return pin.devices.find((device) => {
    const key = decodeBase64url(device.key);
    return key !== undefined && deviceIdOf(key) === deviceId;
  });
}

/** The user id of an account that came by open registration. */
export function selfNamedUserId(rootKey: Uint8Array): UserId {
  return `${SELF_NAMED_PREFIX}${encodeBase64url(sha256(rootKey))}` as UserId;
}

/**
 * Extends `pin` (undefined: nothing is known yet) by `lists`, oldest first.
 *
 * @throws EDGE_DEVICE_LIST_ROLLBACK, EDGE_ROOT_CHANGED, EDGE_GHOST_DEVICE, EDGE_DEVICE_LIST_INVALID
 */
export function extendChain(
  owner: ChainOwner,
  pin: DeviceListPin | undefined,
  lists: readonly Signed[],
): DeviceListPin | undefined {
  return lists.reduce<DeviceListPin | undefined>((last, signed) => verifyNext(owner, last, signed), pin);
}

function verifyNext(owner: ChainOwner, last: DeviceListPin | undefined, signed: Signed): DeviceListPin {
  if (!isSignatureValid('deviceList', signed)) throw invalid('its signature is wrong');
  const list = decodePayload(deviceListSchema, signed);
  if (!list) throw invalid('it is malformed');
  if (list.userId !== owner.userId || list.tenant !== owner.tenant) throw invalid('it is of another user');
  if (last === undefined) verifyFirst(list, signed);
  else verifySuccessor(last, list, signed);
  verifyDevices(list);
  return {
    rootKey: list.rootKey,
    version: list.version,
    hash: payloadHash(signed),
    recoveryKey: list.recoveryKey,
    devices: list.devices,
  };
}

function verifyFirst(list: DeviceList, signed: Signed): void {
  if (list.version !== 1 || list.previous !== null) throw invalid('the chain does not begin at version 1');
  if (signed.signer !== list.rootKey) throw invalid('version 1 is not signed by the root key');
  if (!list.userId.startsWith(SELF_NAMED_PREFIX)) return;
  const rootKey = decodeBase64url(list.rootKey);
  if (!rootKey || selfNamedUserId(rootKey) !== list.userId) throw invalid('the root key is not of this user');
}

function verifySuccessor(last: DeviceListPin, list: DeviceList, signed: Signed): void {
  if (list.rootKey !== last.rootKey) throw edgeError('EDGE_ROOT_CHANGED');
  if (list.version <= last.version) throw edgeError('EDGE_DEVICE_LIST_ROLLBACK');
  if (list.version !== last.version + 1) throw invalid('a version is missing');
  if (list.previous !== last.hash) throw invalid('it does not follow the version before it');
  if (signed.signer === last.recoveryKey || last.devices.some((device) => device.key === signed.signer))
    return;
  // Made by somebody who may not sign: a device that nobody of the account vouches for.
  if (list.devices.some((device) => last.devices.every((known) => known.key !== device.key))) {
    throw edgeError('EDGE_GHOST_DEVICE');
  }
  throw invalid('its signer may not sign it');
}

function verifyDevices(list: DeviceList): void {
  const keys = new Set(list.devices.map((device) => device.key));
  if (keys.size !== list.devices.length) throw invalid('a device is listed twice');
}

function invalid(why: string): EdgeClientError {
  return edgeError('EDGE_DEVICE_LIST_INVALID', { message: `The device list is refused: ${why}.` });
}
