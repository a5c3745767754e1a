import { encodeBase64url, type DeviceId, type TenantId, type UserId } from '@parley/protocol';
import type { DeviceListPin } from '../../identity/device-list-chain.ts';
import { deviceIdOf, generateKeyPair, importKeyPair, type KeyPair } from '../../identity/keys.ts';

export const TENANT = 'default' as TenantId;

export interface TestDevice {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  readonly deviceKey: KeyPair;
  readonly agreementKey: KeyPair;
}

/** An account as others have verified it, with its devices. */
export interface TestAccount {
  readonly userId: UserId;
  readonly devices: readonly TestDevice[];
  readonly pin: DeviceListPin;
}

export function newAccount(name: string, deviceCount: number): TestAccount {
  const userId = name as UserId;
  const devices = Array.from({ length: deviceCount }, () => {
    const deviceKey = importKeyPair('Ed25519', generateKeyPair('Ed25519'));
    const agreementKey = importKeyPair('X25519', generateKeyPair('X25519'));
    return { userId, deviceId: deviceIdOf(deviceKey.publicKey), deviceKey, agreementKey };
  });
  const key = encodeBase64url(new Uint8Array(32));
  const pin: DeviceListPin = {
    ...{ rootKey: key, version: 1, hash: key, recoveryKey: key },
    devices: devices.map(({ deviceKey, agreementKey }) => ({
      key: encodeBase64url(deviceKey.publicKey),
      agreementKey: encodeBase64url(agreementKey.publicKey),
      name: 'device',
      addedAt: 1,
    })),
  };
  return { userId, devices, pin };
}
