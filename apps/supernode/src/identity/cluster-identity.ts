import { randomUUID } from 'node:crypto';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { SupernodeError } from '../errors.ts';
import { KEYRING_STORE, type KeyringStore } from './keyring.port.ts';

/**
 * Who this supernode is, as clients sign it: the cluster id is stable over restarts and pinned by clients, the server id
 * names this run of the process, so that a proof for one process serves no other.
 */
@Injectable()
export class ClusterIdentity implements OnModuleInit {
  readonly serverId = randomUUID();
  private stored: string | undefined;

  constructor(@Inject(KEYRING_STORE) private readonly store: KeyringStore) {}

  async onModuleInit(): Promise<void> {
    this.stored = await clusterIdOf(this.store);
  }

  get clusterId(): string {
    if (this.stored === undefined)
      throw new SupernodeError('SN_INVARIANT', 'The cluster id is read before start.');
    return this.stored;
  }
}

/** The same for all supernodes on one database; made by the first. */
export function clusterIdOf(store: Pick<KeyringStore, 'settingOrCreate'>): Promise<string> {
  return store.settingOrCreate('cluster-id', randomUUID());
}
