import { Controller, Get, Inject, Optional, Param, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { userIdSchema, type UserId } from '@parley/protocol';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import {
  PRESENCE_READER,
  type AdminPresence,
  type PresenceReader,
} from '../presence/presence-reader.port.ts';
import { Principal } from './admin-parameters.ts';
import type { AdminPrincipal } from './admin-principal.ts';
import {
  presencePageSchema,
  presenceQuerySchema,
  presenceSchema,
  type PresencePageQuery,
  type PresenceResource,
} from './admin-schemas.ts';
import { AdminRoute } from './api-documentation.ts';
import { decodeCursor, encodeCursor, nextLink } from './cursor.ts';
import type { AdminRequest, AdminResponse } from './http-exchange.ts';
import { AdminProblem } from './problem.ts';
import { ZodPipe } from './zod.pipe.ts';

/** Who is online, in the tenant of the key. */
@ApiTags('presence')
@Controller('v1/presence')
export class PresenceController {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Optional() @Inject(PRESENCE_READER) private readonly presence: PresenceReader | undefined,
  ) {}

  @Get()
  @AdminRoute({
    summary: 'List the presence of users, by user id',
    scope: 'presence:read',
    query: presenceQuerySchema,
    response: { status: 200, description: 'One page', schema: presencePageSchema },
    problems: ['ADMIN_INVALID_PARAMETER', 'ADMIN_INVALID_CURSOR', 'ADMIN_NOT_SERVED_HERE'],
  })
  async list(
    @Principal() principal: AdminPrincipal,
    @Query(new ZodPipe(presenceQuerySchema)) query: PresencePageQuery,
    @Req() request: AdminRequest,
    @Res({ passthrough: true }) response: AdminResponse,
  ): Promise<{ items: PresenceResource[]; nextCursor: string | null; asOf: string }> {
    const list = ['presence', principal.tenant, query.state, query.updatedSince];
    const asOf = isoTime(this.clock.now());
    const page = await this.reader().page({
      tenant: principal.tenant,
      limit: query.limit,
      ...(query.state === undefined ? {} : { state: query.state }),
      ...(query.updatedSince === undefined ? {} : { updatedSince: Date.parse(query.updatedSince) }),
      ...(query.cursor === undefined ? {} : { after: afterUser(decodeCursor(list, query.cursor)) }),
    });
    const nextCursor = page.next === null ? null : encodeCursor(list, page.next);
    if (nextCursor !== null) response.setHeader('Link', nextLink(request.originalUrl, nextCursor));
    return { items: page.items.map((item) => resourceOf(item, asOf)), nextCursor, asOf };
  }

  @Get(':userId')
  @AdminRoute({
    summary: 'Read the presence of one user, coalesced and for each device',
    scope: 'presence:read',
    response: { status: 200, description: 'The user', schema: presenceSchema },
    problems: ['ADMIN_NOT_FOUND', 'ADMIN_NOT_SERVED_HERE'],
  })
  async read(
    @Principal() principal: AdminPrincipal,
    @Param('userId') userId: string,
  ): Promise<PresenceResource> {
    const asOf = isoTime(this.clock.now());
    const id = userIdSchema.safeParse(userId);
    const found = id.success ? await this.reader().find(principal.tenant, id.data) : undefined;
    if (found === undefined) throw new AdminProblem('ADMIN_NOT_FOUND');
    return resourceOf(found, asOf);
  }

  private reader(): PresenceReader {
    if (this.presence === undefined) throw new AdminProblem('ADMIN_NOT_SERVED_HERE');
    return this.presence;
  }
}

function afterUser(text: string): UserId {
  const id = userIdSchema.safeParse(text);
  if (!id.success) throw new AdminProblem('ADMIN_INVALID_CURSOR');
  return id.data;
}

function resourceOf(presence: AdminPresence, asOf: string): PresenceResource {
  return {
    userId: presence.userId,
    state: presence.state,
    statusText: presence.statusText,
    lastSeenAt: presence.lastSeen === null ? null : isoTime(presence.lastSeen),
    updatedAt: isoTime(presence.updatedAt),
    devices: presence.devices.map((device) => ({
      deviceId: device.deviceId,
      state: device.state,
      reachable: device.reachable,
      updatedAt: isoTime(device.asOf),
    })),
    asOf,
  };
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
