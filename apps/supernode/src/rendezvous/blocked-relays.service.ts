import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { OWNERSHIP, type Ownership } from '../cluster/ownership.port.ts';
import { ContactsService } from '../contacts/contacts.service.ts';
import { LINKS, type Links } from '../links/links.port.ts';
import { tellAllOthers } from '../links/tell-all-others.ts';
import { PEER_FLOWS, type PeerFlows } from './peer-flows.port.ts';

/**
 * Nothing is relayed to who blocks somebody, also where a session of the two goes on: what they have besides is theirs. A relay is
 * at a home that either of them has, or had when the session began.
 */
@Injectable()
export class BlockedRelays implements OnModuleInit {
  constructor(
    private readonly contacts: ContactsService,
    @Inject(PEER_FLOWS) private readonly flows: PeerFlows,
    @Inject(OWNERSHIP) private readonly ownership: Pick<Ownership, 'self' | 'aliveNodes'>,
    @Inject(LINKS) private readonly links: Pick<Links, 'tell' | 'onTell'>,
  ) {}

  onModuleInit(): void {
    const close: PeerFlows['closeRelaysBetween'] = (tenant, users) =>
      this.flows.closeRelaysBetween(tenant, users);
    this.links.onTell('relays.close-between', ({ tenant, users }) => close(tenant, users));
    this.contacts.onBlocked((tenant, blocker, blocked) => {
      const users = [blocker, blocked] as const;
      close(tenant, users);
      tellAllOthers(this.ownership, this.links, 'relays.close-between', { tenant, users });
    });
  }
}
