import { Injectable } from '@nestjs/common';
import { LIMITS, type RequestOf, type ResponseOf } from '@parley/protocol';
import type { Caller } from '../identity/caller.ts';
import { Refusal } from '../refusal.ts';
import { HomeWatches } from './home-watches.service.ts';
import { PresenceViews } from './presence-views.service.ts';

/** The users whose presence a device wants to be told. */
@Injectable()
export class WatchingService {
  constructor(
    private readonly watches: HomeWatches,
    private readonly views: PresenceViews,
  ) {}

  async subscribe(
    caller: Caller,
    request: RequestOf<'presence.subscribe'>,
  ): Promise<ResponseOf<'presence.subscribe'>> {
    const userIds = [...new Set(request.userIds)];
    const isWatching = await this.watches.watch(caller, userIds, LIMITS.maxSubscriptionsPerDevice);
    if (!isWatching) throw new Refusal('LIMIT_EXCEEDED', 'This device watches too many users.');
    return { presence: await this.views.of(caller, userIds) };
  }

  async unsubscribe(
    caller: Caller,
    request: RequestOf<'presence.unsubscribe'>,
  ): Promise<ResponseOf<'presence.unsubscribe'>> {
    await this.watches.unwatch(caller, request.userIds);
    return {};
  }
}
