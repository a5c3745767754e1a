import { decodePayload, homesSchema, type Homes, type Signed } from '@parley/protocol';
import { DropCounter } from '../client/drop-counter.ts';
import { edgeError, type EdgeClientError } from '../errors.ts';
import type { Identity } from '../identity/identity.ts';
import { judgeHomes, type HomesExpectation, type HomesRefusal } from '../identity/signed-homes.ts';
import type { HomesHint } from './host-list.ts';

/** Why something of the host cache was discarded, or is not on disk. */
export type HostCacheDropReason = HomesRefusal | 'hosts-unreadable' | 'hosts-not-saved';

export interface HostCacheOptions {
  readonly identity: Identity;
  /** Milliseconds since the epoch, by the supernode's clock where it is known. */
  readonly now: () => number;
  /** A list was refused that no pinned key has signed. */
  readonly onUnknownKey: (error: EdgeClientError) => void;
}

/**
 * The user's homes, kept in the identity folder for the next start. What is wrong with them, on disk or on the wire, is counted
 * and costs nothing but the hint: the client still has the addresses that the app configured.
 */
export class HostCache {
  readonly #options: HostCacheOptions;
  readonly #drops = new DropCounter<HostCacheDropReason>();
  #homes: Homes | undefined;

  constructor(options: HostCacheOptions) {
    this.#options = options;
    if (options.identity.hasLostHosts) this.#drops.count('hosts-unreadable');
    this.#homes = this.#stored();
  }

  /** The homes as they are known; expired ones too, which are valid for no time. */
  get hint(): HomesHint | undefined {
    if (!this.#homes) return undefined;
    const { homes, notAfter } = this.#homes;
    return { urls: homes, validForMs: Math.max(0, notAfter - this.#options.now()) };
  }

  /** What a supernode says of the homes. Undefined where it is refused, or nothing new. */
  take(statements: readonly Signed[]): HomesHint | undefined {
    const expected = this.#expected();
    if (!expected) return undefined;
    const verdict = judgeHomes(statements, expected, this.#options.now());
    if (!verdict.ok) {
      this.#drops.count(verdict.reason);
      if (verdict.reason === 'homes-unknown-key')
        this.#options.onUnknownKey(edgeError('EDGE_ROSTER_KEY_CHANGED'));
      return undefined;
    }
    const isWorthSaving = this.#isNews(verdict.homes);
    this.#homes = verdict.homes;
    if (isWorthSaving) {
      this.#save({
        homes: verdict.statement,
        rosterKeys: [...verdict.homes.rosterKeys],
        rosterEpoch: verdict.homes.epoch,
      });
    }
    return this.hint;
  }

  /** Supernodes that were named by one that this client was signed in to. */
  noteAlternates(alternates: readonly string[]): void {
    this.#save({ alternates: [...alternates] });
  }

  /** The app trusts whatever key signs the next list. */
  async forgetRosterKeys(): Promise<void> {
    this.#homes = undefined;
    await this.#options.identity.updateHosts({ homes: null, rosterKeys: [], rosterEpoch: 0 });
  }

  drops(): Readonly<Partial<Record<HostCacheDropReason, number>>> {
    return this.#drops.snapshot();
  }

  /** Checked as if it came from the network: a cache is no reason to trust. */
  #stored(): Homes | undefined {
    const { homes, rosterKeys } = this.#options.identity.hosts;
    const expected = this.#expected();
    if (!homes || !expected || rosterKeys.length === 0) return undefined;
    const stored = decodePayload(homesSchema, homes);
    const verdict = judgeHomes([homes], expected, Math.min(this.#options.now(), (stored?.notAfter ?? 1) - 1));
    if (verdict.ok) return verdict.homes;
    this.#drops.count(verdict.reason);
    return undefined;
  }

  #expected(): HomesExpectation | undefined {
    const { hosts, tenant, account } = this.#options.identity;
    if (!account) return undefined;
    return {
      clusterId: hosts.clusterId,
      tenant,
      userId: account.userId,
      rosterKeys: hosts.rosterKeys,
      epoch: hosts.rosterEpoch,
      notBefore: this.#homes?.notBefore ?? 0,
    };
  }

  /** A list that only lasts a little longer than the one on disk is not worth a write at every sign-in. */
  #isNews(homes: Homes): boolean {
    const known = this.#homes;
    if (!known || known.epoch !== homes.epoch) return true;
    if (String(known.homes) !== String(homes.homes)) return true;
    if (String(known.rosterKeys) !== String(homes.rosterKeys)) return true;
    return known.notAfter - this.#options.now() < (homes.notAfter - homes.notBefore) / 2;
  }

  #save(change: Parameters<Identity['updateHosts']>[0]): void {
    this.#options.identity.updateHosts(change).catch(() => this.#drops.count('hosts-not-saved'));
  }
}
