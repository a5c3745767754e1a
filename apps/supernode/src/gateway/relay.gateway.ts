import { Inject } from '@nestjs/common';
import type { ResponseOf } from '@parley/protocol';
import type { Caller } from '../identity/caller.ts';
import { Refusal } from '../refusal.ts';
import { EdgeGateway, FromCaller, OnRequest } from './edge-gateway.decorator.ts';
import { RELAY_ACCESS, type RelayAccess } from './relay-access.port.ts';

/** Renewal of TURN credentials, and flows of devices that had none at their sign-in. */
@EdgeGateway()
export class RelayGateway {
  constructor(@Inject(RELAY_ACCESS) private readonly relay: RelayAccess) {}

  @OnRequest('relay.renew')
  async renew(@FromCaller() caller: Caller): Promise<ResponseOf<'relay.renew'>> {
    const credentials = await this.relay.issue(caller);
    if (!credentials) throw new Refusal('RELAY_UNAVAILABLE');
    return credentials;
  }

  @OnRequest('flow.open')
  openFlow(@FromCaller() caller: Caller): ResponseOf<'flow.open'> {
    const credentials = this.relay.openFlow(caller, 'request');
    if (!credentials) throw new Refusal('RELAY_UNAVAILABLE');
    return credentials;
  }
}
