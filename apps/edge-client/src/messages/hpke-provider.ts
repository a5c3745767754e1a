import { decodeBase64url, type DeviceId } from '@parley/protocol';
import type { E2eeProvider, SealingRecipient } from './e2ee-provider.ts';
import { Hpke, type AgreementKeyPair } from './hpke.ts';

/** Keeps a sealed message from being opened as anything else that uses the same key. */
const HPKE = new Hpke(new TextEncoder().encode('parley/v1/sealed-message'));

/** The own half of an {@link HpkeProvider}. */
export interface HpkeSelf {
  readonly deviceId: DeviceId;
  readonly agreementKey: AgreementKeyPair;
}

/**
 * HPKE in base mode (RFC 9180): each copy is sealed to the long-lived key of one device, with a fresh key of the sender. The
 * associated data binds the recipient's device id.
 *
 * It has NO forward secrecy: who obtains a device's private key can open every message ever sealed to that device.
 */
export class HpkeProvider implements E2eeProvider {
  readonly scheme = 'hpke-x25519-chacha20poly1305';
  readonly #self: HpkeSelf;

  constructor(self: HpkeSelf) {
    this.#self = self;
  }

  // Synchronous inside: a thread would take longer to be told than the work takes.
  async seal(plaintext: Uint8Array, { agreementKey, deviceId }: SealingRecipient): Promise<Uint8Array> {
    return Promise.resolve(HPKE.seal(agreementKey, associatedData(deviceId), plaintext));
  }

  async open(sealed: Uint8Array): Promise<Uint8Array | undefined> {
    const { agreementKey, deviceId } = this.#self;
    return Promise.resolve(HPKE.open(agreementKey, associatedData(deviceId), sealed));
  }
}

function associatedData(deviceId: DeviceId): Uint8Array {
  return decodeBase64url(deviceId) ?? new Uint8Array(0);
}
