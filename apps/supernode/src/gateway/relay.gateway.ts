import { Inject } from '@nestjs/common';
import type { ResponseOf } from '@parley/protocol';
import type { Caller } from '../identity/caller.ts';
import { Refusal } from '../refusal.ts';
import { EdgeGateway, FromCaller, OnRequest } from './edge-gateway.decorator.ts';
import { RELAY_ACCESS, type RelayAccess } from './relay-access.port.ts';

/** Renewal of TURN credentials. */
@EdgeGateway()
export class RelayGateway {
  constructor(@Inject(RELAY_ACCESS) private readonly relay: RelayAccess) {}

  @OnRequest('relay.renew')
  async renew(@FromCaller() caller: Caller): Promise<ResponseOf<'relay.renew'>> {
    const credentials = await this.relay.issue(caller);
    if (!credentials) throw new Refusal('RELAY_UNAVAILABLE');
    return credentials;
  }
}
