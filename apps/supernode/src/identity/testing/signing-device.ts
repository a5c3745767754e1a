import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
} from 'node:crypto';
import {
  DEFAULT_TENANT,
  deviceListSchema,
  encodeBase64url,
  encodePayload,
  signingInput,
  type AuthenticationProof,
  type DeviceId,
  type DeviceList,
  type ListedDevice,
  type ResponseOf,
  type Signed,
  type SigningContext,
  type TenantId,
  type UserId,
} from '@parley/protocol';
import { deviceIdOf, sha256, userIdOfRootKey } from '../digest.ts';

/** An Ed25519 key pair that signs as an edge client does. */
export class SigningKey {
  private readonly privateKey: KeyObject;
  readonly raw: Uint8Array;
  /** Base64url of the raw public key. */
  readonly key: string;

  constructor(privateKey: KeyObject = generateKeyPairSync('ed25519').privateKey) {
    this.privateKey = privateKey;
    const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
    this.raw = Buffer.from(x, 'base64url');
    this.key = x;
  }

  /** The same key for the same seed of 32 bytes. */
  static fromSeed(seed: Uint8Array): SigningKey {
    const prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
    return new SigningKey(
      createPrivateKey({ key: Buffer.concat([prefix, seed]), format: 'der', type: 'pkcs8' }),
    );
  }

  sign(context: SigningContext, value: unknown): Signed {
    return this.signBytes(context, encodePayload(value));
  }

  signBytes(context: SigningContext, payload: Uint8Array): Signed {
    const signature = sign(null, signingInput(context, payload), this.privateKey);
    return { payload: encodeBase64url(payload), signature: encodeBase64url(signature), signer: this.key };
  }
}

/** A device with its keys. */
export class SigningDevice extends SigningKey {
  readonly agreementKey = encodeBase64url(randomBytes(32));

  get deviceId(): DeviceId {
    return deviceIdOf(this.raw);
  }

  listed(name = 'laptop'): ListedDevice {
    return { key: this.key, agreementKey: this.agreementKey, name, addedAt: 1 };
  }

  /** A right proof for a challenge; `wrong` replaces members, for the tests that must be refused. */
  prove(
    challenge: Pick<ResponseOf<'challenge'>, 'clusterId' | 'serverId' | 'nonce'>,
    purpose: AuthenticationProof['purpose'],
    { token = '', tenant = DEFAULT_TENANT, ...wrong }: { token?: string } & Partial<AuthenticationProof> = {},
  ): Signed {
    return this.sign('authentication', {
      purpose,
      clusterId: challenge.clusterId,
      serverId: challenge.serverId,
      nonce: challenge.nonce,
      tenant,
      tokenHash: sha256(token),
      deviceKey: this.key,
      ...wrong,
    });
  }
}

/** The keys of an account and the versions of its device list. */
export class SigningAccount {
  readonly rootKey = new SigningKey();
  readonly recoveryKey = new SigningKey();
  readonly versions: Signed[] = [];

  constructor(
    readonly tenant: TenantId = DEFAULT_TENANT,
    private readonly tokenUser?: UserId,
  ) {}

  get userId(): UserId {
    return this.tokenUser ?? userIdOfRootKey(this.rootKey.raw);
  }

  /** The payload of the version after the newest; `wrong` replaces members. */
  draft(devices: readonly SigningDevice[], wrong: Partial<DeviceList> = {}): DeviceList {
    const newest = this.versions.at(-1);
    return deviceListSchema.parse({
      tenant: this.tenant,
      userId: this.userId,
      version: this.versions.length + 1,
      previous: newest ? sha256(Buffer.from(newest.payload, 'base64url')) : null,
      rootKey: this.rootKey.key,
      recoveryKey: this.recoveryKey.key,
      devices: devices.map((device) => device.listed()),
      issuedAt: 1,
      ...wrong,
    });
  }

  /** Signs the next version and counts it as the newest. Version 1 is signed by the root key. */
  next(devices: readonly SigningDevice[], signer: SigningKey = this.rootKey): Signed {
    const signed = signer.sign('deviceList', this.draft(devices));
    this.versions.push(signed);
    return signed;
  }
}
