import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { DeviceId, Presence, TenantId, UserId } from '@parley/protocol';
import type { NodeId } from '../cluster/node-record.ts';
import { NOTIFIER, type Notifier } from '../gateway/notifier.port.ts';
import { HomeLinks } from '../links/home-links.ts';
import type { LinkTellOf } from '../links/link-messages.ts';
import { LINKS, type Links } from '../links/links.port.ts';
import { Metrics } from '../observability/metrics.ts';
import { HomeWatches } from './home-watches.service.ts';
import { PresenceViews } from './presence-views.service.ts';

/** Whom an update concerns: all who may see it, the user's own devices, or one user whatever that one may see. */
export type Audience = 'entitled' | 'own' | { readonly only: UserId };

type FanOut = LinkTellOf<'presence.fan-out'>;

interface FanOutDraft {
  readonly tenant: TenantId;
  readonly views: Presence[];
  readonly watchers: [number, UserId, DeviceId][];
}

/** Watchers in one link message, which is then below 200 kB. */
const MAX_WATCHERS = 2000;
/** Devices told before others get a turn. */
const DEVICES_PER_TURN = 500;

/**
 * Tells the devices that watch a user how it looks: those of this supernode, and every other supernode with watchers by one
 * message, whatever their number. Supernodes without a watcher hear nothing.
 */
@Injectable()
export class PresenceFanOut implements OnModuleInit {
  private readonly updates;
  private readonly told;

  constructor(
    private readonly watches: HomeWatches,
    private readonly views: PresenceViews,
    @Inject(NOTIFIER) private readonly notifier: Pick<Notifier, 'notifyDevice'>,
    private readonly homes: HomeLinks,
    @Inject(LINKS) private readonly links: Pick<Links, 'tell' | 'onTell'>,
    metrics: Metrics,
  ) {
    this.updates = metrics.counter('presence_updates_total', 'Updates of users that somebody was told of');
    this.told = metrics.counter(
      'presence_watchers_told_total',
      'Watching devices that were told of an update',
    );
  }

  onModuleInit(): void {
    this.links.onTell('presence.fan-out', (fanOut) => this.tellDevices(fanOut));
  }

  async tell(tenant: TenantId, userId: UserId, audience: Audience): Promise<void> {
    const all = await this.watches.watchersOf(tenant, userId);
    const concerned = all.filter((watcher) => mayConcern(audience, userId, watcher.userId));
    if (concerned.length === 0) return;
    const lookTo = await this.views.toWatchers(
      tenant,
      userId,
      concerned.map((watcher) => watcher.userId),
    );
    const groups = new Map<NodeId | undefined, FanOutDraft>();
    for (const { userId: watcher, deviceId } of concerned) {
      const { view, isEntitled } = lookTo(watcher);
      // Who may not see the user must not notice that something happened either.
      if (!isEntitled && typeof audience === 'string') continue;
      const home = this.homes.homeOf(tenant, watcher);
      const draft = groups.get(home) ?? { tenant, views: [], watchers: [] };
      groups.set(home, draft);
      if (!draft.views.includes(view)) draft.views.push(view);
      draft.watchers.push([draft.views.indexOf(view), watcher, deviceId]);
    }
    if (groups.size === 0) return;
    this.updates.inc();
    // Side by side: other supernodes do not wait for the turns that many devices of this one take.
    await Promise.all([...groups].map(([home, fanOut]) => this.send(home, fanOut)));
  }

  private async send(home: NodeId | undefined, fanOut: FanOut): Promise<void> {
    this.told.inc(fanOut.watchers.length);
    // Without a home for the moment each watcher's is looked for.
    if (home === undefined || this.homes.isSelf(home)) {
      await this.tellDevices(fanOut);
      return;
    }
    for (let at = 0; at < fanOut.watchers.length; at += MAX_WATCHERS) {
      const part = { ...fanOut, watchers: fanOut.watchers.slice(at, at + MAX_WATCHERS) };
      this.links.tell(home, 'presence.fan-out', part, {
        onLost: (loss) => {
          // The watchers may have other homes by now; the notifier finds them.
          if (loss !== 'overloaded') void this.tellDevices(part);
        },
      });
    }
  }

  private async tellDevices({ tenant, views, watchers }: FanOut): Promise<void> {
    for (const [index, [view, userId, deviceId]] of watchers.entries()) {
      const presence = views[view];
      if (presence) this.notifier.notifyDevice({ tenant, userId, deviceId }, 'presence.changed', presence);
      if (index % DEVICES_PER_TURN === DEVICES_PER_TURN - 1) await nextTurn();
    }
  }
}

function mayConcern(audience: Audience, watched: UserId, watcher: UserId): boolean {
  if (audience === 'entitled') return true;
  return watcher === (audience === 'own' ? watched : audience.only);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
