import { Body, Controller, Get, Inject, Optional, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { z } from 'zod';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { CLUSTER_ADMIN, type ClusterAdmin } from '../cluster/cluster-admin.ts';
import { CLUSTER_ALERTS } from '../cluster/core/cluster-io.ts';
import type { ElectionControls, RecordedDecision } from '../cluster/roster-store.port.ts';
import { Principal, TraceId } from './admin-parameters.ts';
import type { AdminPrincipal } from './admin-principal.ts';
import { AdminRoute } from './api-documentation.ts';
import {
  assignmentQuerySchema,
  assignmentSchema,
  controlsSchema,
  electionQuerySchema,
  electionSchema,
  freezeSchema,
  type ElectionResource,
} from './cluster-schemas.ts';
import { AdminProblem } from './problem.ts';
import { ZodPipe } from './zod.pipe.ts';

/** Who is active and why, and what operators decided about it (DESIGN 5.9). */
@ApiTags('cluster')
@Controller('v1')
export class ElectionController {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Optional() @Inject(CLUSTER_ADMIN) private readonly cluster: ClusterAdmin | undefined,
  ) {}

  @Get('election')
  @AdminRoute({
    summary: 'Read the roster in force, the controls, the alerts and the newest decisions with their reasons',
    scope: 'cluster:read',
    query: electionQuerySchema,
    response: { status: 200, description: 'The election', schema: electionSchema },
    problems: ['ADMIN_INVALID_PARAMETER', 'ADMIN_NO_CLUSTER'],
  })
  async read(
    @Query(new ZodPipe(electionQuerySchema)) query: z.infer<typeof electionQuerySchema>,
  ): Promise<ElectionResource> {
    const cluster = this.required();
    const [controls, decisions] = await Promise.all([cluster.controls(), cluster.decisions(query.decisions)]);
    const { epoch, coordinator, writtenAt, seats } = cluster.roster;
    return {
      epoch,
      coordinator: epoch === 0 ? null : coordinator,
      writtenAt: epoch === 0 ? null : isoTime(writtenAt),
      active: seats.map(({ nodeId }) => nodeId),
      controls: { isFrozen: controls.isFrozen, pins: { ...controls.pins } },
      alerts: [...cluster.alerts].map(([code, detail]) => ({ code, meaning: CLUSTER_ALERTS[code], detail })),
      standing: cluster.standing,
      decisions: decisions.map(decisionResource),
      seenBy: cluster.self,
      asOf: isoTime(this.clock.now()),
    };
  }

  @Put('election/freeze')
  @AdminRoute({
    summary: 'Freeze promotion and demotion, or end that; a lost seat is replaced all the same',
    scope: 'cluster:write',
    body: freezeSchema,
    response: { status: 200, description: 'The controls from now on', schema: controlsSchema },
    problems: ['ADMIN_INVALID_BODY', 'ADMIN_NO_CLUSTER'],
  })
  freeze(
    @Principal() { tenant, keyId }: AdminPrincipal,
    @Body(new ZodPipe(freezeSchema, 'ADMIN_INVALID_BODY')) { isFrozen }: z.infer<typeof freezeSchema>,
    @TraceId() traceId: string,
  ): Promise<ElectionControls> {
    return this.required().freeze(isFrozen, {
      tenant,
      actor: keyId,
      action: 'election.freeze',
      target: 'cluster',
      traceId,
      detail: { isFrozen },
    });
  }

  @Get('explain/assignment')
  @AdminRoute({
    summary: 'Explain why a user of the tenant of the key has its home where it is',
    scope: 'cluster:read',
    query: assignmentQuerySchema,
    response: { status: 200, description: 'The slot and its owner', schema: assignmentSchema },
    problems: ['ADMIN_INVALID_PARAMETER', 'ADMIN_NO_CLUSTER'],
  })
  explain(
    @Principal() principal: AdminPrincipal,
    @Query(new ZodPipe(assignmentQuerySchema)) { userId }: z.infer<typeof assignmentQuerySchema>,
  ): z.infer<typeof assignmentSchema> {
    const found = this.required().explain(principal.tenant, userId);
    return {
      userId,
      slot: found.slot,
      owner: found.owner ?? null,
      slotEpoch: found.slotEpoch ?? null,
      rosterEpoch: found.rosterEpoch,
      coordinator: found.coordinator,
      homes: [...found.homes],
      relays: [...found.relays],
      ranking: found.ranking.map((seat) => ({ ...seat })),
      waitsFor: [...found.waitsFor],
      asOf: isoTime(this.clock.now()),
    };
  }

  private required(): ClusterAdmin {
    if (this.cluster === undefined) throw new AdminProblem('ADMIN_NO_CLUSTER');
    return this.cluster;
  }
}

function decisionResource({ at, score, terms, ...rest }: RecordedDecision): ElectionResource['decisions'][0] {
  return { ...rest, at: isoTime(at), score: score ?? null, terms: terms === undefined ? null : { ...terms } };
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
