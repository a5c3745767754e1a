import type { DeviceId } from '@parley/protocol';

/** One device to seal for. */
export interface SealingRecipient {
  readonly deviceId: DeviceId;
  /** Raw X25519 key of the device, from its user's verified device list. */
  readonly agreementKey: Uint8Array;
}

/**
 * How message contents are kept from everybody but one device. Sealing says nothing of who sealed: that is the signature
 * inside, which the caller makes and checks.
 */
export interface E2eeProvider {
  /** Names the way of sealing in the envelope; `^[a-z0-9-]{1,32}$`. */
  readonly scheme: string;
  seal(plaintext: Uint8Array, recipient: SealingRecipient): Promise<Uint8Array>;
  /** Undefined when it was not sealed to this device, or was changed on the way. */
  open(sealed: Uint8Array): Promise<Uint8Array | undefined>;
}
