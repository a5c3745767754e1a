import { Controller, Get, Header, Inject } from '@nestjs/common';
import { CLUSTER_CORE } from './cluster-tokens.ts';
import type { ClusterCoreApi } from './core/cluster-io.ts';
import { CLUSTER_MEMBER, type ClusterMember } from './node-identity.ts';
import type { PeerIdentity } from './peer-probe.ts';

/** For other supernodes that look at this one from outside. Anybody may read it: it proves nothing, and no right hangs on it. */
@Controller('cluster')
export class ClusterIdentityController {
  constructor(
    @Inject(CLUSTER_MEMBER) private readonly member: ClusterMember,
    @Inject(CLUSTER_CORE) private readonly core: ClusterCoreApi,
  ) {}

  @Get('identity')
  @Header('Cache-Control', 'no-store')
  identity(): PeerIdentity {
    return { clusterId: this.member.clusterId, ...this.core.identity };
  }
}
