import { createPrivateKey, type KeyObject } from 'node:crypto';
import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { SignJWT } from 'jose';
import { BackgroundTasks } from '../background-tasks.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { IDENTITY_CONFIG } from '../config/config.module.ts';
import type { IdentityConfig } from '../config/config.schema.ts';
import { SupernodeError } from '../errors.ts';
import { ClusterIdentity } from './cluster-identity.ts';
import type { UserAddress } from './connection-context.ts';
import type { ProvenDevice } from './device-proof.ts';
import { ed25519PublicKey } from './ed25519.ts';
import { KEYRING_STORE, type ClusterKeyRecord, type KeyringStore } from './keyring.port.ts';
import { newRingKey } from './ring-key.ts';

const PURPOSE = 'access-token';
/** A key that a rotation adds is known to every supernode after this time, and signs later than that. */
const REREAD_MS = 60_000;
/** RFC 8725 section 3.11: an explicit type keeps other JSON web tokens from passing for ours. */
export const OWN_TOKEN_TYPE = 'parley-access+jwt';

/** An access token and how long it is good for. */
export interface IssuedToken {
  readonly token: string;
  readonly expiresInMs: number;
}

interface SigningKey {
  readonly id: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Issues the supernode's own access tokens: signed with the cluster's keyring, short-lived, bound to one device key. */
@Injectable()
export class TokenIssuer implements OnModuleInit, OnModuleDestroy {
  private keys: readonly SigningKey[] = [];
  private cancelReading: (() => void) | undefined;

  constructor(
    private readonly cluster: ClusterIdentity,
    @Inject(KEYRING_STORE) private readonly store: KeyringStore,
    @Inject(IDENTITY_CONFIG) private readonly config: Pick<IdentityConfig, 'accessTokenSeconds'>,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly tasks: BackgroundTasks,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.read();
    this.readAgain();
  }

  onModuleDestroy(): void {
    this.cancelReading?.();
  }

  /** What tokens of this cluster name as issuer and audience. */
  get issuer(): string {
    return `parley:${this.cluster.clusterId}`;
  }

  async issue(user: UserAddress, device: Pick<ProvenDevice, 'deviceId'>): Promise<IssuedToken> {
    const now = this.clock.now();
    const key = this.keys.find((candidate) => candidate.notBefore <= now && now < candidate.notAfter);
    if (!key) throw new SupernodeError('SN_INVARIANT', 'The keyring has no signing key for access tokens.');
    const issuedAt = Math.floor(now / 1000);
    const token = await new SignJWT({ tenant: user.tenant, device: device.deviceId })
      .setProtectedHeader({ alg: 'EdDSA', typ: OWN_TOKEN_TYPE, kid: key.id })
      .setSubject(user.userId)
      .setIssuer(this.issuer)
      .setAudience(this.issuer)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + this.config.accessTokenSeconds)
      .sign(key.privateKey);
    return { token, expiresInMs: this.config.accessTokenSeconds * 1000 };
  }

  /** The public half of a key of the ring, also of one that signs no more but whose tokens may still live. */
  publicKey(id: string | undefined): KeyObject | undefined {
    const now = this.clock.now();
    return this.keys.find(
      (key) => key.id === id && now < key.notAfter + this.config.accessTokenSeconds * 1000,
    )?.publicKey;
  }

  /**
   * Also where nobody asks for a key: who takes over the users of another supernode meets tokens of a new key all at once. Where
   * the store is away, the known keys go on.
   */
  private readAgain(): void {
    this.cancelReading = this.scheduler.after(REREAD_MS, () => {
      void this.tasks.attempt('Reading the keys of access tokens again', () => this.read());
      this.readAgain();
    });
  }

  private async read(): Promise<void> {
    const records = await this.store.keysOrCreate(PURPOSE, newRingKey(PURPOSE, this.clock.now()));
    this.keys = records.map(signingKeyOf);
  }
}

function signingKeyOf(record: ClusterKeyRecord): SigningKey {
  if (!record.publicKey) throw new SupernodeError('SN_INVARIANT', 'A key of the ring has no public half.');
  return {
    id: `${PURPOSE}-${record.version}`,
    privateKey: createPrivateKey({ key: Buffer.from(record.secret), format: 'der', type: 'pkcs8' }),
    publicKey: ed25519PublicKey(record.publicKey),
    notBefore: record.notBefore.getTime(),
    notAfter: record.notAfter?.getTime() ?? Number.POSITIVE_INFINITY,
  };
}
