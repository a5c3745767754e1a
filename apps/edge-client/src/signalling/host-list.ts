import { after, type Instant } from '@parley/nat';
import { LIMITS } from '@parley/protocol';

/** Where the user's home is, the home first: from a list that the cluster signed. */
export interface HomesHint {
  readonly urls: readonly string[];
  /** Afterwards it is tried behind what the app configured. */
  readonly validForMs: number;
}

interface Health {
  /** In a row, since the host last answered. */
  failures: number;
  /** In a row, those of the failures that were no answer at all. */
  timeouts: number;
  /** Until then other hosts are tried first. */
  restsUntil: Instant | undefined;
}

/** A host that failed this often in a row is tried behind the others. */
const FAILURES_TO_REST = 3;
const REST_MS = 60_000;
/** By then a cluster has seen that a supernode is lost: whoever it names afterwards is there again. */
export const FOUND_DEAD_MS = 3_000;
/**
 * Where nobody at all was there, the home alone is asked for so long: a cluster that comes back gives it its users again, and does not
 * give them to others before (`SUPERNODE_COLD_START_MS`).
 */
const HOME_ALONE_MS = 4_000;

/**
 * The supernodes that a client may try, in order, round after round: advice that was just given, the signed homes, older advice,
 * what the app configured, and last the homes of a list that has expired. Every host is tried once per round, one that keeps
 * failing behind the others; a supernode that names ever new alternates keeps no round from ending.
 */
export class HostList {
  readonly #configured: readonly [string, ...string[]];
  #homes: readonly string[] = [];
  #homesUntil: Instant | undefined;
  #alternates: readonly string[];
  #isAdviceFresh = false;
  #lastWorked: string | undefined;
  readonly #health = new Map<string, Health>();
  readonly #tried = new Set<string>();
  /** In this round, and when. */
  readonly #failed = new Map<string, Instant>();
  /** Since the last {@link restart} somebody has answered. */
  #isAnybodyThere = false;
  #homeAloneUntil: Instant | undefined;
  /** Until the next restart. */
  readonly #excluded = new Set<string>();
  /** Alternates that were tried in this round. */
  #advised = 0;
  #rounds = 0;

  constructor(configured: readonly [string, ...string[]], alternates: readonly string[] = []) {
    const [first, ...others] = configured;
    this.#configured = [canonical(first), ...others.map(canonical)];
    this.#alternates = this.#usable(alternates);
  }

  /** Rounds that were gone through since the last {@link restart}. */
  get rounds(): number {
    return this.#rounds;
  }

  restart(): void {
    this.#rounds = 0;
    this.#excluded.clear();
    this.#isAnybodyThere = false;
    this.#homeAloneUntil = undefined;
    this.#begin();
  }

  /** The host to try now. */
  next(now: Instant): string {
    let [url] = this.#untried(now);
    if (url === undefined) {
      this.#rounds += 1;
      if (!this.#isAnybodyThere) this.#foundNobody(now);
      this.#begin();
      [url] = this.#untried(now);
    }
    url ??= this.#configured[0];
    this.visit(url);
    return url;
  }

  /** A host is tried out of turn. */
  visit(url: string): void {
    if (!this.#tried.has(url) && !this.#isOwn(url)) this.#advised += 1;
    this.#tried.add(url);
  }

  /** Whether somebody else could be tried instead of waiting for this one. */
  hasOthers(url: string): boolean {
    return this.#all().some((other) => other !== url);
  }

  setHomes({ urls, validForMs }: HomesHint, now: Instant): void {
    this.#homes = this.#usable(urls).slice(0, LIMITS.maxHomes);
    this.#homesUntil = after(now, validForMs);
  }

  /** A supernode names others, which are tried next. Returns those that a client may follow. */
  advise(alternates: readonly string[]): readonly string[] {
    const usable = this.#usable(alternates).slice(0, LIMITS.maxAlternates);
    if (usable.length > 0) {
      this.#alternates = usable;
      this.#isAdviceFresh = true;
    }
    return usable;
  }

  /** The host answered, whatever it said. */
  reached(url: string): void {
    this.#health.delete(url);
  }

  /** A host has taken a connection: the cluster, or a part of it, is there. */
  opened(): void {
    this.#isAnybodyThere = true;
    this.#homeAloneUntil = undefined;
  }

  /** The client is online there: what was advised before has served its purpose. */
  worked(url: string): void {
    this.reached(url);
    this.#lastWorked = url;
    this.#isAdviceFresh = false;
  }

  failed(url: string, now: Instant, isTimeout = false): void {
    const health = this.#healthOf(url);
    health.failures += 1;
    health.timeouts += isTimeout ? 1 : 0;
    if (health.failures >= FAILURES_TO_REST) health.restsUntil = after(now, REST_MS);
    this.#failed.set(url, now);
  }

  /** The host wants to be left in peace for a while. */
  avoid(url: string, now: Instant): void {
    this.#healthOf(url).restsUntil = after(now, REST_MS);
  }

  /** The host is of no use at all, as one of another cluster. Returns whether any is left. */
  exclude(url: string): boolean {
    this.#excluded.add(url);
    return this.#all().some((other) => !this.#excluded.has(other));
  }

  /** Whether the host has refused since it last answered, and was never silent: nobody was there, but its machine is. */
  hasRefused(url: string): boolean {
    const { failures = 0, timeouts = 0 } = this.#health.get(url) ?? {};
    return failures > 0 && timeouts === 0;
  }

  /** How often in a row the host gave no answer at all. */
  timeoutsOf(url: string): number {
    return this.#health.get(url)?.timeouts ?? 0;
  }

  /** Milliseconds in which others may not know yet that the host came to nothing in this round. */
  isFoundDeadFor(url: string, now: Instant): number {
    const failedAt = this.#failed.get(url);
    return failedAt === undefined ? 0 : Math.max(0, after(failedAt, FOUND_DEAD_MS) - now);
  }

  isExcluded(url: string): boolean {
    return this.#excluded.has(url);
  }

  /** Whether this round has hosts left. */
  hasUntried(now: Instant): boolean {
    return this.#untried(now).length > 0;
  }

  /** A whole round, or one of the home alone, came to nothing: where nobody is there, nobody is worse than others. */
  #foundNobody(now: Instant): void {
    const wasWhole = this.#homeAloneUntil === undefined || now >= this.#homeAloneUntil;
    if (wasWhole) this.#homeAloneUntil = after(now, HOME_ALONE_MS);
    for (const health of this.#health.values()) health.restsUntil = undefined;
  }

  #begin(): void {
    this.#tried.clear();
    this.#failed.clear();
    this.#advised = 0;
    const known = new Set(this.#all());
    for (const url of this.#health.keys()) if (!known.has(url)) this.#health.delete(url);
  }

  #untried(now: Instant): readonly string[] {
    const mayFollow = this.#advised < LIMITS.maxAlternates;
    const isTurn = (url: string) => !this.#tried.has(url) && (mayFollow || this.#isOwn(url));
    const left = (this.#homeAlone(now) ?? this.#ordered(now)).filter(isTurn);
    const isResting = (url: string) => now < (this.#health.get(url)?.restsUntil ?? now);
    return [...left.filter((url) => !isResting(url)), ...left.filter(isResting)];
  }

  /** While the cluster is expected back; not for a home that does not even refuse, whose machine may be gone. */
  #homeAlone(now: Instant): readonly string[] | undefined {
    if (this.#homeAloneUntil === undefined || now >= this.#homeAloneUntil) return undefined;
    const home = this.#likelyHomes(now).find((url) => !this.#excluded.has(url));
    return home === undefined || this.timeoutsOf(home) > 0 ? undefined : [home];
  }

  /** As the cluster signed it, or where the client was online last. */
  #likelyHomes(now: Instant): readonly string[] {
    if (this.#homesUntil !== undefined && now < this.#homesUntil) return this.#homes;
    return this.#lastWorked === undefined ? [] : [this.#lastWorked];
  }

  #ordered(now: Instant): readonly string[] {
    const ordered = [
      ...(this.#isAdviceFresh ? this.#alternates : []),
      ...this.#likelyHomes(now),
      ...this.#alternates,
      ...this.#configured,
      ...this.#homes,
    ];
    return [...new Set(ordered)].filter((url) => !this.#excluded.has(url));
  }

  #all(): readonly string[] {
    return [...this.#configured, ...this.#homes, ...this.#alternates];
  }

  /** Named by the app or signed by the cluster. */
  #isOwn(url: string): boolean {
    return this.#configured.includes(url) || this.#homes.includes(url) || this.#lastWorked === url;
  }

  #usable(urls: readonly string[]): readonly string[] {
    const usable = urls.filter((url) => isUsableAlternate(url, this.#configured)).map(canonical);
    return [...new Set(usable)];
  }

  #healthOf(url: string): Health {
    const health = this.#health.get(url) ?? { failures: 0, timeouts: 0, restsUntil: undefined };
    this.#health.set(url, health);
    return health;
  }
}

/** A supernode may send its clients elsewhere, but not to an open transport where the app configured a protected one. */
export function isUsableAlternate(url: string, configured: readonly string[]): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, username, password } = new URL(url);
  if (username !== '' || password !== '') return false;
  if (protocol === 'https:' || protocol === 'wss:') return true;
  const isOpenAllowed = configured.every((own) => own.startsWith('http:') || own.startsWith('ws:'));
  return isOpenAllowed && (protocol === 'http:' || protocol === 'ws:');
}

/** One spelling per host, so that none is tried twice. */
function canonical(url: string): string {
  const { href, origin, pathname, search } = new URL(url);
  return pathname === '/' && search === '' ? origin : href;
}
