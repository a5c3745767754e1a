import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import {
  decodeBase64url,
  DEFAULT_TENANT,
  deviceIdSchema,
  encodeBase64url,
  encodePayload,
  handleSchema,
  leadingZeroBits,
  puzzleInput,
  signingInput,
  userIdSchema,
  type AuthenticationProof,
  type DeviceId,
  type ResponseOf,
  type Signed,
  type SigningContext,
  type UserId,
} from '@parley/protocol';
import { BareConnection } from './bare-connection.ts';

const digest = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('base64url');

class Key {
  readonly #privateKey = generateKeyPairSync('ed25519').privateKey;
  readonly publicKey = createPublicKey(this.#privateKey).export({ format: 'jwk' }).x ?? '';

  get digest(): string {
    return digest(Buffer.from(this.publicKey, 'base64url'));
  }

  sign(context: SigningContext, value: unknown): Signed {
    const payload = encodePayload(value);
    const signature = sign(null, signingInput(context, payload), this.#privateKey);
    return {
      payload: encodeBase64url(payload),
      signature: encodeBase64url(signature),
      signer: this.publicKey,
    };
  }
}

/** A user with one device that signs in as any client does, and keeps nothing. */
export class BareUser {
  readonly #root = new Key();
  readonly #device = new Key();
  #token = '';
  #connection: BareConnection | undefined;
  readonly userId: UserId = userIdSchema.parse(`u.${this.#root.digest}`);
  readonly deviceId: DeviceId = deviceIdSchema.parse(this.#device.digest);

  constructor(
    readonly url: string,
    readonly handle: string,
  ) {}

  /** What it signs in with, once it is registered. */
  get token(): string {
    return this.#token;
  }

  get connection(): BareConnection {
    if (!this.#connection) throw new TypeError('sign in first');
    return this.#connection;
  }

  async register(): Promise<void> {
    const connection = await BareConnection.open(this.url);
    const puzzle = await connection.request('register.puzzle', { tenant: DEFAULT_TENANT });
    const deviceList = this.#root.sign('deviceList', {
      tenant: DEFAULT_TENANT,
      userId: this.userId,
      version: 1,
      previous: null,
      rootKey: this.#root.publicKey,
      recoveryKey: new Key().publicKey,
      devices: [
        {
          key: this.#device.publicKey,
          agreementKey: encodeBase64url(randomBytes(32)),
          name: 'bench',
          addedAt: 1,
        },
      ],
      issuedAt: 1,
    });
    const { token } = await connection.request('register', {
      puzzle: { challenge: puzzle.challenge, solution: solutionOf(puzzle) },
      proof: await this.prove(connection, 'register', ''),
      handle: handleSchema.parse(this.handle),
      deviceList,
    });
    this.#token = token;
    await connection.close();
  }

  /** `url`: of its home, where it was told another one. */
  async signIn(url = this.url): Promise<void> {
    const connection = await BareConnection.open(url);
    try {
      const proof = await this.prove(connection, 'authenticate', this.#token);
      await connection.request('authenticate', { token: this.#token, proof });
    } catch (thrown) {
      connection.drop();
      throw thrown;
    }
    this.#connection = connection;
  }

  async signOff(): Promise<void> {
    const { connection } = this;
    this.#connection = undefined;
    await connection.request('sign-off', {});
    await connection.close();
  }

  async prove(
    connection: BareConnection,
    purpose: AuthenticationProof['purpose'],
    token: string,
  ): Promise<Signed> {
    const { clusterId, serverId, nonce } = await connection.request('challenge', { versions: [1] });
    return this.#device.sign('authentication', {
      ...{ purpose, clusterId, serverId, nonce },
      tenant: DEFAULT_TENANT,
      tokenHash: digest(token),
      deviceKey: this.#device.publicKey,
    });
  }
}

/** Many registrations from one address are asked for a little work. */
function solutionOf({ challenge, difficultyBits }: ResponseOf<'register.puzzle'>): string {
  const bytes = decodeBase64url(challenge) ?? new Uint8Array();
  const solution = Buffer.alloc(8);
  for (let attempt = 0; ; attempt += 1) {
    solution.writeDoubleBE(attempt);
    const hash = createHash('sha256').update(puzzleInput(bytes, solution)).digest();
    if (leadingZeroBits(hash) >= difficultyBits) return encodeBase64url(solution);
  }
}
