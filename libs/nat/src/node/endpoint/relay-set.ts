import type { CandidateBase } from '../../ice/candidate.ts';
import type { TransportAddress } from '../../net/transport-address.ts';
import { after, earliest, type Instant } from '../../time/instant.ts';
import type { TurnServer } from './endpoint-types.ts';
import type { RelayTransports } from './relay-transports.ts';

/** What a relay is for: data at once; to fall back on when that supernode dies; paths that still run through a server of before. */
export type RelayPurpose = 'main' | 'backup' | 'former';

export interface NamedServers {
  readonly main: TurnServer | undefined;
  /** At other supernodes. */
  readonly backups: readonly TurnServer[];
}

export interface RelaySetOptions {
  create(turn: TurnServer, purposeNow: () => RelayPurpose): RelayTransports;
  /** Whether data of a path travels through one of these bases now. */
  isUsed(bases: readonly CandidateBase[]): boolean;
  isAnyPathRelayed(): boolean;
  /** Everybody whom the allocations admit. */
  admitted(): Iterable<TransportAddress>;
  /** These bases are gone. */
  closed(bases: readonly CandidateBase[]): void;
}

interface Relay {
  readonly transports: RelayTransports;
  purpose: RelayPurpose;
  isStarted: boolean;
}

/** Between two looks whether a former relay is still used. */
const LOOK_MS = 5000;
/** Most paths that are going to be direct are so by then, and a relay that lives has answered. */
const BACKUP_AFTER_MS = 1500;

/**
 * The relays of an endpoint: that of its supernode, those at other supernodes for the day when the first one dies, and former
 * ones for as long as data travels through them.
 */
export class RelaySet {
  readonly #options: RelaySetOptions;
  #relays: readonly Relay[] = [];
  #lookAt: Instant | undefined;
  /** When the backups are asked for, if a path is relayed then, or could not be at the main relay. */
  #startBackupAt: Instant | undefined;

  constructor(options: RelaySetOptions) {
    this.#options = options;
  }

  get main(): RelayTransports | undefined {
    return this.#find('main')?.transports;
  }

  get isMainStarted(): boolean {
    return this.#find('main')?.isStarted === true;
  }

  /** Of every allocation there is now. */
  get bases(): readonly CandidateBase[] {
    return this.#relays.flatMap(({ transports }) => transports.bases);
  }

  /** A relay that has one of these servers stays, whatever it was for: its allocation may carry data. */
  set({ main, backups }: NamedServers, now: Instant): void {
    for (const relay of this.#relays) relay.purpose = 'former';
    if (main !== undefined) this.#name(main, 'main', now);
    for (const backup of backups) this.#name(backup, 'backup', now);
    this.#closeUnused(now);
    if (this.#options.isAnyPathRelayed()) this.pathRelayed(now);
  }

  /** Data of a path goes through a relay from now on: another supernode should know us before this one dies. */
  pathRelayed(now: Instant): void {
    this.#startBackupAt ??= after(now, BACKUP_AFTER_MS);
  }

  startMain(now: Instant): void {
    this.#start('main', now);
    this.#startBackupAt ??= after(now, BACKUP_AFTER_MS);
  }

  /** False: for none of them. */
  receive(bytes: Uint8Array, from: TransportAddress, now: Instant): boolean {
    return this.#relays.some(({ transports }) => transports.receive(bytes, from, now));
  }

  /** False: there is no such allocation any more. */
  transmit(base: CandidateBase, peer: TransportAddress, bytes: Uint8Array): boolean {
    return this.#relays.some(({ transports }) => transports.transmit(base, peer, bytes));
  }

  permit(peer: TransportAddress, now: Instant): void {
    for (const { transports } of this.#relays) transports.permit(peer, now);
  }

  bindChannel(peer: TransportAddress, now: Instant): void {
    for (const { transports } of this.#relays) transports.bindChannel(peer, now);
  }

  release(peer: TransportAddress, now: Instant): void {
    for (const { transports } of this.#relays) transports.release(peer, now);
  }

  verify(now: Instant): void {
    for (const { transports } of this.#relays) transports.verify(now);
  }

  handleTimeout(now: Instant): void {
    for (const { transports } of this.#relays) {
      const dueAt = transports.nextTimeoutAt();
      if (dueAt !== undefined && dueAt <= now) transports.handleTimeout(now);
    }
    if (this.#lookAt !== undefined && this.#lookAt <= now) this.#closeUnused(now);
    if (this.#startBackupAt !== undefined && this.#startBackupAt <= now) {
      this.#startBackupAt = undefined;
      if (this.#options.isAnyPathRelayed() || this.#isMainSilent) this.#start('backup', now);
    }
  }

  nextTimeoutAt(): Instant | undefined {
    return earliest(
      this.#lookAt,
      this.#startBackupAt,
      ...this.#relays.map(({ transports }) => transports.nextTimeoutAt()),
    );
  }

  /** Gives all allocations back; no answer is awaited. */
  close(now: Instant): void {
    const relays = this.#relays;
    this.#relays = [];
    this.#lookAt = undefined;
    this.#startBackupAt = undefined;
    for (const relay of relays) this.#close(relay, now);
  }

  get #isMainSilent(): boolean {
    return this.isMainStarted && this.main?.bases.length === 0;
  }

  #start(purpose: 'main' | 'backup', now: Instant): void {
    for (const relay of this.#relays) {
      if (relay.purpose !== purpose || relay.isStarted) continue;
      relay.isStarted = true;
      for (const peer of this.#options.admitted()) relay.transports.permit(peer, now);
      relay.transports.start(now);
    }
  }

  #find(purpose: RelayPurpose): Relay | undefined {
    return this.#relays.find((relay) => relay.purpose === purpose);
  }

  #name(turn: TurnServer, purpose: 'main' | 'backup', now: Instant): void {
    const known = this.#relays.find(
      ({ transports, purpose: has }) => has === 'former' && transports.isAt(turn),
    );
    if (known !== undefined) {
      known.purpose = purpose;
      known.transports.replaceCredential(turn, now);
      return;
    }
    const relay: Relay = {
      transports: this.#options.create(turn, () => relay.purpose),
      purpose,
      isStarted: false,
    };
    this.#relays = [...this.#relays, relay];
  }

  #closeUnused(now: Instant): void {
    const former = this.#relays.filter(({ purpose }) => purpose === 'former');
    const unused = former.filter(({ transports }) => !this.#options.isUsed(transports.bases));
    this.#relays = this.#relays.filter((relay) => !unused.includes(relay));
    for (const relay of unused) this.#close(relay, now);
    this.#lookAt = former.length > unused.length ? after(now, LOOK_MS) : undefined;
  }

  #close({ transports }: Relay, now: Instant): void {
    const { bases } = transports;
    transports.close(now);
    this.#options.closed(bases);
  }
}
