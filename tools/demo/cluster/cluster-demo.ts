import { setTimeout as delay } from 'node:timers/promises';
import { Cluster, redisAvailability, type ObservedRoster } from '@parley/test/cluster';
import { machineClockMs } from '../../bench/machine-clock.ts';
import type { Narrator } from '../narrator.ts';
import { BACK_WITHIN_MS, judgeBlow, judgeMessages } from './cluster-judgement.ts';
import { ClusterPeople } from './cluster-people.ts';
import type { BlowResult, ClusterDemoResult, ConversationResult } from './cluster-result.ts';
import { busiestRelay, conversationResults, tally } from './conversation-tally.ts';
import type { Conversation } from './crowd-messages.ts';
import { RelayPlaces, relayPortsOf } from './relay-places.ts';

const ACTIVE = 3;
const SUPERNODES = ACTIVE + 1;
const CALM_MS = 4_000;
const POLL_MS = 200;
const HEAL_MS = 45_000;
/** The longest that one of the last messages may need to its receiver. */
const ARRIVE_MS = 30_000;

/** Shows a cluster that loses its coordinator and then a home, while clients talk and write. */
export class ClusterDemo {
  readonly #narrator: Narrator;
  readonly #cluster: Cluster;
  readonly #people: ClusterPeople;
  readonly #places: RelayPlaces;
  readonly #clients: number;
  #flaps = 0;

  private constructor(narrator: Narrator, clients: number, cluster: Cluster, people: ClusterPeople) {
    this.#narrator = narrator;
    this.#clients = clients;
    this.#cluster = cluster;
    this.#people = people;
    this.#places = new RelayPlaces(cluster.nodes.map(({ nodeId, stun }) => ({ nodeId, server: stun })));
  }

  static async run(narrator: Narrator, clients: number): Promise<ClusterDemoResult> {
    narrator.title('A cluster that heals itself');
    const missing = await redisAvailability();
    if (missing) {
      narrator.check(false, `a cluster needs Redis: ${missing.reason}`);
      return FAILED;
    }
    const cluster = await Cluster.start({
      supernodes: SUPERNODES,
      env: (at) => ({
        SUPERNODE_LOG_LEVEL: 'error',
        SUPERNODE_MAXIMUM_SEATS: String(ACTIVE),
        ...relayPortsOf(at),
      }),
    });
    const people = await ClusterPeople.start();
    try {
      return await new ClusterDemo(narrator, clients, cluster, people).#run();
    } finally {
      await people.close();
      await cluster.close();
    }
  }

  async #run(): Promise<ClusterDemoResult> {
    const narrator = this.#narrator;
    const people = this.#people;
    const roster = await this.#cluster.untilSeats(ACTIVE);
    const standby = this.#cluster.nodes.find(({ nodeId }) => !hasSeat(roster, nodeId));
    narrator.say(
      `${SUPERNODES} supernodes on one Redis and one PostgreSQL: ${names(roster)} are active, ${standby?.nodeId ?? 'nobody'} stands by, ${roster.coordinator} coordinates (epoch ${roster.epoch})`,
    );
    await people.join(
      this.#cluster.nodes.map(({ url }) => url),
      this.#clients,
    );
    await this.#sayWhereabouts();
    await people.acquaint();
    await people.talk();
    await people.write();
    const relayed = people.pairs.filter((pair) => pair.relayed).length;
    narrator.say(
      `${people.pairs.length} pairs talk, ${relayed} of them over a relay, and everybody writes to their contact`,
    );
    await this.#watch(CALM_MS);

    const blows = [await this.#strike('coordinator', roster.coordinator)];
    await this.#watch(CALM_MS);
    blows.push(await this.#strike('home', await this.#busiestRelay()));
    await this.#watch(CALM_MS);

    const messages = await this.#countMessages();
    const ok = [
      ...blows.map((blow) => judgeBlow(narrator, blow)),
      judgeMessages(narrator, messages),
      narrator.check(
        this.#flaps === 0,
        `presence: ${this.#flaps} times somebody was shown as offline who was there`,
      ),
    ].every(Boolean);
    return {
      ...{ ok, supernodes: SUPERNODES, clients: this.#clients, blows, messages },
      presenceFlaps: this.#flaps,
    };
  }

  async #strike(killed: BlowResult['killed'], nodeId: string): Promise<BlowResult> {
    const homes = await this.#people.whereabouts();
    const node = this.#cluster.node(nodeId);
    const affected = homes.filter(({ url }) => url === node.url).length;
    this.#narrator.title(
      `SIGKILL: ${nodeId}, ${killed === 'home' ? 'home' : 'coordinator and home'} of ${affected}`,
    );
    const before = await this.#people.begin();
    const killedAt = machineClockMs();
    await node.kill();
    const roster = this.#cluster
      .untilRoster(
        'a roster without it',
        (one) => !hasSeat(one, nodeId) && one.coordinator !== nodeId,
        HEAL_MS,
      )
      .then((found) => {
        const rosterMs = machineClockMs() - killedAt;
        this.#narrator.say(
          `${found.coordinator} coordinates; roster of epoch ${found.epoch} after ${rosterMs.toFixed(0)} ms: ${names(found)}`,
        );
        return { rosterMs, coordinator: found.coordinator };
      })
      .catch(() => ({ rosterMs: null, coordinator: null }));
    const reHomed = await this.#untilHealed(killedAt);
    const { rosterMs, coordinator } = await roster;
    const conversations = await this.#judgeConversations(nodeId, before);
    return {
      ...{ killed, nodeId, rosterMs, coordinator, ...reHomed },
      untouched: tally(conversations, false),
      throughLostRelay: tally(conversations, true),
      longestStallMs: await this.#people.longestStallMs(),
      conversations,
    };
  }

  /** Until everybody is online and sees everybody, or the time is over. */
  async #untilHealed(killedAt: number): Promise<Pick<BlowResult, 'reHomed' | 'lastReHomedMs'>> {
    let reHomed = 0;
    let lastAt = killedAt;
    for (;;) {
      await delay(POLL_MS);
      const news = await this.#tell();
      reHomed += news.length;
      lastAt = Math.max(lastAt, ...news);
      const away = (await this.#people.whereabouts()).filter(
        ({ isOnline, url, notSeen }) => !isOnline || notSeen.length > 0 || !this.#isRunningAt(url),
      );
      if (away.length === 0) return { reHomed, lastReHomedMs: lastAt - killedAt };
      if (machineClockMs() - killedAt > HEAL_MS) {
        this.#narrator.say(
          `not back, or not seeing their contact, after ${HEAL_MS / 1_000} s: ${away.map(({ name }) => name).join(', ')}`,
        );
        return { reHomed, lastReHomedMs: null };
      }
    }
  }

  #isRunningAt(url: string | null): boolean {
    return this.#cluster.nodes.some((node) => node.url === url && node.isRunning);
  }

  async #watch(ms: number): Promise<void> {
    const end = machineClockMs() + ms;
    while (machineClockMs() < end) {
      await delay(POLL_MS);
      await this.#tell();
    }
  }

  /** Says what happened meanwhile; gives the instants at which clients came back. */
  async #tell(): Promise<readonly number[]> {
    const { reHomed, offline, paths } = await this.#people.news();
    for (const { name, lostAt, onlineAt, url } of reHomed) {
      const home = this.#cluster.node(url).nodeId;
      this.#narrator.say(
        `${name} is at ${home} now, ${(onlineAt - lostAt).toFixed(0)} ms after it lost its home`,
      );
    }
    for (const { name, userId } of offline)
      this.#narrator.say(`${name} sees ${this.#people.nameOf(userId)} offline`);
    for (const { name, path, relays } of paths) {
      const through = [...new Set(relays.map((address) => this.#places.nodeAt(address) ?? address))];
      this.#narrator.say(`${name}: the path is ${[path, ...through].join(' ')} now`);
    }
    this.#flaps += offline.length;
    return reHomed.map(({ onlineAt }) => onlineAt);
  }

  async #judgeConversations(
    nodeId: string,
    before: readonly Conversation[],
  ): Promise<readonly ConversationResult[]> {
    const after = await this.#people.conversations();
    const results = conversationResults(nodeId, this.#people.pairs, before, after, this.#places);
    for (const one of results) {
      const { name, kind, broken, longestGapMs, ranThroughLost } = one;
      const how = `${ranThroughLost ? 'ran' : 'did not run'} through ${nodeId} (before: ${describe(one.before)}, now: ${describe(one.after)})`;
      if (broken !== null) this.#narrator.say(`the ${kind} of ${name} broke: ${broken}; it ${how}`);
      if (longestGapMs > BACK_WITHIN_MS)
        this.#narrator.say(
          `the ${kind} of ${name} heard nothing for ${longestGapMs.toFixed(0)} ms; it ${how}`,
        );
    }
    return results;
  }

  async #countMessages(): Promise<ClusterDemoResult['messages']> {
    const stored = await this.#people.stored();
    const end = machineClockMs() + ARRIVE_MS;
    for (;;) {
      const counts = new Map<string, number>();
      for (const { id, userId } of await this.#people.received())
        counts.set(`${id} ${userId}`, (counts.get(`${id} ${userId}`) ?? 0) + 1);
      const copies = stored.map(({ id, to }) => counts.get(`${id} ${to}`) ?? 0);
      const lost = copies.filter((count) => count === 0).length;
      if (lost === 0 || machineClockMs() > end) {
        const receivedOnce = copies.filter((count) => count === 1).length;
        const duplicates = [...counts.values()].filter((count) => count > 1).length;
        return { stored: stored.length, receivedOnce, lost, duplicates };
      }
      await delay(POLL_MS);
    }
  }

  /** The supernode that most conversations run through. */
  async #busiestRelay(): Promise<string> {
    const [anybody] = await this.#people.whereabouts();
    const busiest = busiestRelay(await this.#people.conversations(), this.#places);
    return busiest ?? this.#cluster.node(anybody?.url ?? '').nodeId;
  }

  async #sayWhereabouts(): Promise<void> {
    const homes = new Map<string, number>();
    for (const { url } of await this.#people.whereabouts()) {
      const home = url === null ? 'nowhere' : this.#cluster.node(url).nodeId;
      homes.set(home, (homes.get(home) ?? 0) + 1);
    }
    const shares = [...homes].sort().map(([home, count]) => `${count} at ${home}`);
    this.#narrator.say(`${this.#clients} edge clients are connected: ${shares.join(', ')}`);
  }
}

const FAILED: ClusterDemoResult = {
  ok: false,
  supernodes: 0,
  clients: 0,
  blows: [],
  messages: { stored: 0, receivedOnce: 0, lost: 0, duplicates: 0 },
  presenceFlaps: 0,
};

function hasSeat({ seats }: ObservedRoster, nodeId: string): boolean {
  return seats.some((seat) => seat.nodeId === nodeId);
}

function names({ seats }: ObservedRoster): string {
  return seats
    .map(({ nodeId }) => nodeId)
    .sort()
    .join(', ');
}

function describe({ path, through }: ConversationResult['before']): string {
  return [path, ...through].join(' ');
}
