import { createPrivateKey, sign, type KeyObject } from 'node:crypto';
import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import {
  encodeBase64url,
  encodePayload,
  LIMITS,
  signingInput,
  type Homes,
  type Signed,
} from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { SupernodeError } from '../errors.ts';
import { ClusterIdentity } from './cluster-identity.ts';
import type { UserAddress } from './connection-context.ts';
import { KEYRING_STORE, type ClusterKeyRecord, type KeyringStore } from './keyring.port.ts';
import { newRingKey } from './ring-key.ts';

const PURPOSE = 'roster';
/** Clients may be away for that long and still find a home; a cluster of which nothing is left by then has moved. */
const VALIDITY_MS = 7 * 24 * 3600_000;
/** A key that a rotation adds is known to every supernode after this time; it should begin to sign later than that. */
const REREAD_MS = 60_000;

interface RosterKey {
  readonly privateKey: KeyObject;
  readonly publicKey: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Signs where users find their homes, with the roster keys of the cluster: clients pin those, and no single supernode. */
@Injectable()
export class HomesSigner implements OnModuleInit, OnModuleDestroy {
  private keys: readonly RosterKey[] = [];
  private cancelReading: (() => void) | undefined;

  constructor(
    private readonly cluster: ClusterIdentity,
    @Inject(KEYRING_STORE) private readonly store: KeyringStore,
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

  /** The same statement by each key that signs now, newest first. `epoch` orders lists of one user. */
  sign({ tenant, userId }: UserAddress, homes: readonly string[], epoch: number): Signed[] {
    const now = this.clock.now();
    const valid = this.keys.filter(({ notAfter }) => now < notAfter).slice(0, LIMITS.maxRosterKeys);
    const payload: Homes = {
      clusterId: this.cluster.clusterId,
      tenant,
      userId,
      homes: homes.slice(0, LIMITS.maxHomes),
      epoch,
      notBefore: now,
      notAfter: now + VALIDITY_MS,
      rosterKeys: valid.map(({ publicKey }) => publicKey),
    };
    const bytes = encodePayload(payload);
    const input = signingInput('homes', bytes);
    return valid
      .filter(({ notBefore }) => notBefore <= now)
      .map(({ privateKey, publicKey }) => ({
        payload: encodeBase64url(bytes),
        signature: encodeBase64url(sign(null, input, privateKey)),
        signer: publicKey,
      }));
  }

  /**
   * Also while nobody signs in: a list that leaves the newest key out makes clients forget that they were told of it. Where the store
   * is away, the known keys go on.
   */
  private readAgain(): void {
    this.cancelReading = this.scheduler.after(REREAD_MS, () => {
      void this.tasks.attempt('Reading the roster keys again', () => this.read());
      this.readAgain();
    });
  }

  private async read(): Promise<void> {
    const records = await this.store.keysOrCreate(PURPOSE, newRingKey(PURPOSE, this.clock.now()));
    this.keys = records.map(rosterKeyOf);
  }
}

function rosterKeyOf({ secret, publicKey, notBefore, notAfter }: ClusterKeyRecord): RosterKey {
  if (!publicKey) throw new SupernodeError('SN_INVARIANT', 'A roster key has no public half.');
  return {
    privateKey: createPrivateKey({ key: Buffer.from(secret), format: 'der', type: 'pkcs8' }),
    publicKey: encodeBase64url(publicKey),
    notBefore: notBefore.getTime(),
    notAfter: notAfter?.getTime() ?? Number.POSITIVE_INFINITY,
  };
}
