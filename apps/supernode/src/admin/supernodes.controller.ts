import { Body, Controller, Delete, Get, HttpCode, Inject, Optional, Param, Post, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { z } from 'zod';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { CLUSTER_ADMIN, type ClusterAdmin, type ClusterNode } from '../cluster/cluster-admin.ts';
import type { ElectionControls } from '../cluster/roster-store.port.ts';
import { errorCodeOf } from '../errors.ts';
import { Principal, TraceId } from './admin-parameters.ts';
import type { AdminPrincipal } from './admin-principal.ts';
import { AdminRoute } from './api-documentation.ts';
import type { AuditRecord } from './audit.ts';
import {
  controlsSchema,
  nodeIdSchema,
  pinSchema,
  scoreSchema,
  supernodesSchema,
  type SupernodeResource,
} from './cluster-schemas.ts';
import { AdminProblem } from './problem.ts';
import { ZodPipe } from './zod.pipe.ts';

/** The supernodes of the cluster, as the one that answers sees them. */
@ApiTags('cluster')
@Controller('v1/supernodes')
export class SupernodesController {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Optional() @Inject(CLUSTER_ADMIN) private readonly cluster: ClusterAdmin | undefined,
  ) {}

  @Get()
  @AdminRoute({
    summary: 'List supernodes: lease, seat, load, what others found when they looked at them',
    scope: 'cluster:read',
    response: { status: 200, description: 'All supernodes', schema: supernodesSchema },
    problems: ['ADMIN_NO_CLUSTER'],
  })
  async list(): Promise<z.infer<typeof supernodesSchema>> {
    const cluster = this.required();
    const controls = await cluster.controls();
    const items = cluster.nodes().map((node) => resourceOf(node, cluster.roster.coordinator, controls));
    return { items, seenBy: cluster.self, asOf: this.isoNow() };
  }

  @Get(':id/score')
  @AdminRoute({
    summary: 'Explain how well a supernode is suited for a seat',
    scope: 'cluster:read',
    response: { status: 200, description: 'The score and its terms', schema: scoreSchema },
    problems: ['ADMIN_NOT_FOUND', 'ADMIN_NO_CLUSTER'],
  })
  score(@Param('id') id: string): z.infer<typeof scoreSchema> {
    const view = this.required()
      .nodes()
      .find(({ nodeId }) => nodeId === id)?.view;
    if (view === undefined) throw new AdminProblem('ADMIN_NOT_FOUND');
    const { score, terms, objections } = view;
    return { nodeId: id, score, terms: { ...terms }, objections: [...objections], asOf: this.isoNow() };
  }

  @Put(':id/pin')
  @AdminRoute({
    summary: 'Pin a supernode active or standby, whatever its score',
    scope: 'cluster:write',
    body: pinSchema,
    response: { status: 200, description: 'The controls from now on', schema: controlsSchema },
    problems: ['ADMIN_INVALID_PARAMETER', 'ADMIN_INVALID_BODY', 'ADMIN_NO_CLUSTER'],
  })
  pin(
    @Principal() principal: AdminPrincipal,
    @Param('id', new ZodPipe(nodeIdSchema)) id: string,
    @Body(new ZodPipe(pinSchema, 'ADMIN_INVALID_BODY')) { state }: z.infer<typeof pinSchema>,
    @TraceId() traceId: string,
  ): Promise<ElectionControls> {
    const audit = auditOf(principal, 'supernode.pin', id, traceId);
    return this.required().pin(id, state, { ...audit, detail: { state } });
  }

  @Delete(':id/pin')
  @AdminRoute({
    summary: 'Leave a supernode to the election again',
    scope: 'cluster:write',
    response: { status: 200, description: 'The controls from now on', schema: controlsSchema },
    problems: ['ADMIN_INVALID_PARAMETER', 'ADMIN_NO_CLUSTER'],
  })
  unpin(
    @Principal() principal: AdminPrincipal,
    @Param('id', new ZodPipe(nodeIdSchema)) id: string,
    @TraceId() traceId: string,
  ): Promise<ElectionControls> {
    return this.required().unpin(id, auditOf(principal, 'supernode.unpin', id, traceId));
  }

  @Post(':id/drain')
  @HttpCode(202)
  @AdminRoute({
    summary: 'Let a supernode give up its seat and its users, until it is started again',
    scope: 'cluster:write',
    response: { status: 202, description: 'It begins' },
    problems: ['ADMIN_NOT_FOUND', 'ADMIN_SUPERNODE_UNREACHABLE', 'ADMIN_NO_CLUSTER'],
  })
  async drain(
    @Principal() principal: AdminPrincipal,
    @Param('id') id: string,
    @TraceId() traceId: string,
  ): Promise<void> {
    const cluster = this.required();
    if (!cluster.nodes().some(({ nodeId, view }) => nodeId === id && view !== undefined))
      throw new AdminProblem('ADMIN_NOT_FOUND');
    try {
      await cluster.drain(id, auditOf(principal, 'supernode.drain', id, traceId));
    } catch (cause) {
      if (errorCodeOf(cause)?.startsWith('SN_LINK_') !== true) throw cause;
      throw new AdminProblem('ADMIN_SUPERNODE_UNREACHABLE', undefined, undefined, { cause });
    }
  }

  private required(): ClusterAdmin {
    if (this.cluster === undefined) throw new AdminProblem('ADMIN_NO_CLUSTER');
    return this.cluster;
  }

  private isoNow(): string {
    return new Date(this.clock.now()).toISOString();
  }
}

function auditOf(
  { tenant, keyId }: AdminPrincipal,
  action: string,
  target: string,
  traceId: string,
): AuditRecord {
  return { tenant, actor: keyId, action, target, traceId };
}

function resourceOf(
  { nodeId, view, seat, slots }: ClusterNode,
  coordinator: string,
  { pins }: ElectionControls,
): SupernodeResource {
  return {
    nodeId,
    state: view?.record.state ?? 'down',
    hasSeat: seat !== undefined,
    isCoordinator: nodeId === coordinator,
    weight: seat?.weight ?? null,
    slots,
    pin: pins[nodeId] ?? null,
    lease: view === undefined ? null : leaseOf(view),
  };
}

function leaseOf({
  record,
  reachability,
  verdict,
  objections,
}: NonNullable<ClusterNode['view']>): SupernodeResource['lease'] {
  const { incarnation, region, version, roles, addresses, uptimeMs, rosterEpoch, load, capacity } = record;
  return {
    incarnation,
    region,
    version,
    roles: [...roles],
    ...addresses,
    uptimeSeconds: Math.round(uptimeMs / 1000),
    rosterEpoch,
    reachability,
    verdict,
    objections: [...objections],
    unreachable: [...record.unreachable],
    load: { ...load },
    capacity: { ...capacity },
  };
}
