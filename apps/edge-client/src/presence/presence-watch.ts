import { LIMITS, type Presence, type RequestInputOf, type UserId } from '@parley/protocol';
import { TypedEvents } from '../client/typed-events.ts';
import type { SendRequest, Signalling } from '../signalling/signalling.ts';

interface PresenceEvents {
  readonly change: Presence;
}

/** What {@link PresenceWatch.set} takes. */
export type PresenceSetting = RequestInputOf<'presence.set'>;

/** Own presence, as all devices of this user make it, and that of watched users; survives reconnects. */
export class PresenceWatch {
  readonly #signalling: Signalling;
  readonly #events = new TypedEvents<PresenceEvents>();
  readonly #watched = new Set<UserId>();
  readonly #known = new Map<UserId, Presence>();
  readonly #ownUserId: () => UserId | undefined;
  #own: PresenceSetting | undefined;
  /** Settings that the supernode has not answered yet. */
  #underWay = 0;

  constructor(signalling: Signalling, ownUserId: () => UserId | undefined) {
    this.#signalling = signalling;
    this.#ownUserId = ownUserId;
    signalling.onEvent('presence.changed', (presence) => this.#apply(presence));
  }

  on(name: 'change', listener: (presence: Presence) => void): () => void {
    return this.#events.on(name, listener);
  }

  /** Sets the presence of this device, and again after every reconnect (unless it expires by itself). */
  async set(setting: PresenceSetting): Promise<Presence> {
    this.#underWay += 1;
    try {
      const presence = await this.#signalling.request('presence.set', setting);
      this.#own = setting.expiresInMs === undefined ? setting : undefined;
      this.#apply(presence);
      return presence;
    } finally {
      this.#underWay -= 1;
    }
  }

  /** Watches users. Those that the caller may not see are offline. @throws LIMIT_EXCEEDED */
  async subscribe(...userIds: readonly UserId[]): Promise<readonly Presence[]> {
    // The app has not heard of the own presence, which is followed anyway, until it asks.
    const presence = await this.#subscribe(
      this.#signalling.request,
      userIds,
      (userId) => !this.#watched.has(userId),
    );
    for (const userId of userIds) this.#watched.add(userId);
    return presence;
  }

  async unsubscribe(...userIds: readonly UserId[]): Promise<void> {
    // The own presence is followed whether the app wants to hear of it or not.
    const others = userIds.filter((userId) => userId !== this.#ownUserId());
    for (const userId of userIds) this.#watched.delete(userId);
    for (const userId of others) this.#known.delete(userId);
    for (const group of groupsOf(others)) {
      await this.#signalling.request('presence.unsubscribe', { userIds: group });
    }
  }

  /** The last that was heard of a watched user, or of the own one. */
  get(userId: UserId): Presence | undefined {
    return this.#known.get(userId);
  }

  /** After events were lost: sets and subscribes again, and tells what changed meanwhile. */
  async resync(request: SendRequest): Promise<void> {
    // One that is under way is newer, and would be undone.
    if (this.#own && this.#underWay === 0) this.#apply(await request('presence.set', this.#own));
    // The own user too: another device may have hidden it, now or before this one signed in.
    const own = this.#ownUserId();
    await this.#subscribe(request, [...new Set([...(own ? [own] : []), ...this.#watched])]);
  }

  async #subscribe(
    request: SendRequest,
    userIds: readonly UserId[],
    isNews: (userId: UserId) => boolean = () => false,
  ): Promise<readonly Presence[]> {
    const all: Presence[] = [];
    for (const group of groupsOf(userIds)) {
      const before = new Map(group.map((userId) => [userId, this.#known.get(userId)]));
      const { presence } = await request('presence.subscribe', { userIds: group });
      for (const one of presence) all.push(this.#answered(one, before.get(one.userId), isNews(one.userId)));
    }
    return all;
  }

  /** A supernode that lost its memory counts versions anew: its answer is the truth, unless a newer update overtook it. */
  #answered(answer: Presence, before: Presence | undefined, isNews: boolean): Presence {
    const known = this.#known.get(answer.userId);
    if (known && known !== before && !isNewer(answer.version, known.version)) return known;
    this.#replace(answer, isNews);
    return answer;
  }

  #apply(presence: Presence): void {
    const known = this.#known.get(presence.userId);
    if (known && !isNewer(presence.version, known.version)) return;
    this.#replace(presence);
  }

  #replace(presence: Presence, isNews = false): void {
    const known = this.#known.get(presence.userId);
    this.#known.set(presence.userId, presence);
    if (isNews || !known || visible(known) !== visible(presence)) this.#events.emit('change', presence);
  }
}

function isNewer(a: Presence['version'], b: Presence['version']): boolean {
  return a.epoch === b.epoch ? a.counter > b.counter : a.epoch > b.epoch;
}

/** What an app would show: the time of the statement alone is no change. */
function visible({ state, statusText, lastSeen, devices }: Presence): string {
  return JSON.stringify([
    state,
    statusText,
    lastSeen,
    devices.map((device) => [device.deviceId, device.state]),
  ]);
}

function groupsOf(userIds: readonly UserId[]): UserId[][] {
  const groups: UserId[][] = [];
  for (let at = 0; at < userIds.length; at += LIMITS.maxSubscriptionsPerRequest) {
    groups.push(userIds.slice(at, at + LIMITS.maxSubscriptionsPerRequest));
  }
  return groups;
}
