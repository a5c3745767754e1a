import { decodeBase64url, type DeviceId } from '@parley/protocol';
import type { E2eeProvider, SealingRecipient } from '../e2ee-provider.ts';

const ID_BYTES = 32;

/** Seals nothing: names the device and goes on in the clear. For tests that make thousands of messages. */
export class PlainProvider implements E2eeProvider {
  readonly scheme = 'test-plain';
  readonly #deviceId: DeviceId;

  constructor(deviceId: DeviceId) {
    this.#deviceId = deviceId;
  }

  seal(plaintext: Uint8Array, { deviceId }: SealingRecipient): Promise<Uint8Array> {
    return Promise.resolve(Buffer.concat([idBytes(deviceId), plaintext]));
  }

  open(sealed: Uint8Array): Promise<Uint8Array | undefined> {
    const isOurs = Buffer.from(idBytes(this.#deviceId)).equals(sealed.subarray(0, ID_BYTES));
    return Promise.resolve(isOurs ? sealed.subarray(ID_BYTES) : undefined);
  }
}

function idBytes(deviceId: DeviceId): Uint8Array {
  return decodeBase64url(deviceId) ?? new Uint8Array(0);
}
