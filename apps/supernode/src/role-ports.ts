import { Inject, Injectable, Optional } from '@nestjs/common';
import { CLUSTER_ADMIN, type ClusterAdmin } from './cluster/cluster-admin.ts';
import { CLUSTER_RUNTIME, type ClusterRuntime } from './cluster/cluster-runtime.ts';
import { OwnAddresses } from './cluster/own-addresses.ts';
import { STUN_LISTENERS, type StunListeners } from './nat/stun-listeners.port.ts';
import { PRESENCE_READER, type PresenceReader } from './presence/presence-reader.port.ts';

/** What the composition root takes from concerns that a supernode has only with their role (SUPERNODE_ROLES). */
@Injectable()
export class RolePorts {
  constructor(
    @Optional() @Inject(PRESENCE_READER) readonly presence: PresenceReader | undefined,
    @Optional() @Inject(STUN_LISTENERS) readonly stun: StunListeners | undefined,
    /** Both only in a cluster. */
    @Optional() @Inject(CLUSTER_RUNTIME) readonly cluster: ClusterRuntime | undefined,
    @Optional() @Inject(CLUSTER_ADMIN) readonly clusterAdmin: ClusterAdmin | undefined,
    readonly addresses: OwnAddresses,
  ) {}
}
