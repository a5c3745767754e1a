import { randomBytes } from 'node:crypto';
import {
  encodeBase64url,
  type DeviceList,
  type ListedDevice,
  type Signed,
  type TenantId,
  type UserId,
} from '@parley/protocol';
import { extendChain, selfNamedUserId, type DeviceListPin } from './device-list-chain.ts';
import type { Identity } from './identity.ts';
import { keyPairFromSeed, type KeyPair } from './keys.ts';
import { encodeRecoveryCode, recoveryKeyOf } from './recovery-code.ts';
import { signPayload } from './signing.ts';

/** A list that this device signed, and what is pinned once the supernode has committed it. */
export interface SignedList {
  readonly userId: UserId;
  readonly signed: Signed;
  readonly pin: DeviceListPin;
}

/**
 * The first list of a new account. The root key signs exactly this one list and is then forgotten: later versions are
 * signed by devices, and an account without devices comes back by its recovery key, so that a stored root key could only
 * be stolen, never used.
 */
export function makeFirstList(
  identity: Identity,
  now: number,
  userId?: UserId,
): SignedList & { readonly recoveryCode: string } {
  const root = keyPairFromSeed(randomBytes(32));
  const recoveryCode = encodeRecoveryCode(randomBytes(32));
  const list: DeviceList = {
    tenant: identity.tenant,
    userId: userId ?? selfNamedUserId(root.publicKey),
    version: 1,
    previous: null,
    rootKey: encodeBase64url(root.publicKey),
    recoveryKey: encodeBase64url(recoveryKeyOf(recoveryCode).publicKey),
    devices: [ownEntry(identity, identity.deviceName, now)],
    issuedAt: now,
  };
  return { ...signList(list, root, undefined), recoveryCode };
}

export interface NextListInput {
  readonly tenant: TenantId;
  readonly userId: UserId;
  readonly last: DeviceListPin;
  readonly devices: readonly ListedDevice[];
  /** A device of `last`, or its recovery key. */
  readonly signer: KeyPair;
  readonly now: number;
  /** @default the one of `last` */
  readonly recoveryKey?: Uint8Array;
}

export function makeNextList(input: NextListInput): SignedList {
  const { last } = input;
  const list: DeviceList = {
    tenant: input.tenant,
    userId: input.userId,
    version: last.version + 1,
    previous: last.hash,
    rootKey: last.rootKey,
    recoveryKey: input.recoveryKey ? encodeBase64url(input.recoveryKey) : last.recoveryKey,
    devices: [...input.devices],
    issuedAt: input.now,
  };
  return signList(list, input.signer, last);
}

export function ownEntry(identity: Identity, name: string, now: number): ListedDevice {
  return {
    key: encodeBase64url(identity.deviceKey.publicKey),
    agreementKey: encodeBase64url(identity.agreementKey.publicKey),
    name,
    addedAt: now,
  };
}

function signList(list: DeviceList, signer: KeyPair, last: DeviceListPin | undefined): SignedList {
  const signed = signPayload('deviceList', list, signer);
  // Our own list goes through the same eyes as everybody else's: what others would refuse is never sent.
  const pin = extendChain(list, last, [signed]) as DeviceListPin;
  return { userId: list.userId, signed, pin };
}
