import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { ContactsService } from '../contacts/contacts.service.ts';
import { PEER_FLOWS, type PeerFlows } from './peer-flows.port.ts';

/** Nothing is relayed to who blocks somebody, also where a session of the two goes on: what they have besides is theirs. */
@Injectable()
export class BlockedRelays implements OnModuleInit {
  constructor(
    private readonly contacts: ContactsService,
    @Inject(PEER_FLOWS) private readonly flows: PeerFlows,
  ) {}

  onModuleInit(): void {
    this.contacts.onBlocked((tenant, blocker, blocked) => {
      this.flows.closeRelaysBetween(tenant, [blocker, blocked]);
    });
  }
}
