import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { ContactsService } from '../contacts/contacts.service.ts';
import { HomeLinks } from '../links/home-links.ts';
import { LINKS, type Links } from '../links/links.port.ts';
import { PEER_FLOWS, type PeerFlows } from './peer-flows.port.ts';

/** Long enough for a home that is lost just now to have a successor. */
const WORTH_MS = 60_000;

/**
 * Nothing is relayed to who blocks somebody, also where a session of the two goes on: what they have besides is theirs. A relay is
 * at the home of either of them.
 */
@Injectable()
export class BlockedRelays implements OnModuleInit {
  constructor(
    private readonly contacts: ContactsService,
    @Inject(PEER_FLOWS) private readonly flows: PeerFlows,
    private readonly homes: HomeLinks,
    @Inject(LINKS) private readonly links: Pick<Links, 'onTell'>,
  ) {}

  onModuleInit(): void {
    const close: PeerFlows['closeRelaysBetween'] = (tenant, users) =>
      this.flows.closeRelaysBetween(tenant, users);
    this.links.onTell('relays.close-between', ({ tenant, users }) => close(tenant, users));
    this.contacts.onBlocked((tenant, blocker, blocked) => {
      const users = [blocker, blocked] as const;
      close(tenant, users);
      for (const userId of users) {
        if (this.homes.isHere(tenant, userId)) continue;
        this.homes.tell({
          tenant,
          userId,
          name: 'relays.close-between',
          payload: { tenant, users },
          here: () => close(tenant, users),
          worthMs: WORTH_MS,
        });
      }
    });
  }
}
