import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { z } from 'zod';
import type { AdminKeyRecord } from './admin-key.repository.ts';
import { AdminKeysService } from './admin-keys.service.ts';
import { Principal, TraceId } from './admin-parameters.ts';
import type { AdminPrincipal } from './admin-principal.ts';
import {
  adminKeyPageSchema,
  issuedAdminKeySchema,
  newAdminKeySchema,
  pageQuerySchema,
  type AdminKeyResource,
  type NewAdminKeyBody,
} from './admin-schemas.ts';
import { AdminRoute } from './api-documentation.ts';
import { decodeCursor, encodeCursor, nextLink } from './cursor.ts';
import type { AdminRequest, AdminResponse } from './http-exchange.ts';
import { ZodPipe } from './zod.pipe.ts';

/** Keys of this API, in the tenant of the key that asks. */
@ApiTags('admin keys')
@Controller('v1/admin-keys')
export class AdminKeysController {
  constructor(private readonly keys: AdminKeysService) {}

  @Post()
  @AdminRoute({
    summary: 'Issue a key; it can have no scope that the asking key lacks',
    scope: 'admin-keys:write',
    body: newAdminKeySchema,
    response: { status: 201, description: 'The key, shown this one time', schema: issuedAdminKeySchema },
    problems: ['ADMIN_INVALID_BODY'],
  })
  async create(
    @Principal() principal: AdminPrincipal,
    @Body(new ZodPipe(newAdminKeySchema, 'ADMIN_INVALID_BODY')) body: NewAdminKeyBody,
    @TraceId() traceId: string,
  ): Promise<AdminKeyResource & { key: string }> {
    const expiresAt = body.expiresAt === undefined ? null : new Date(body.expiresAt);
    const { key, record } = await this.keys.create(principal, { ...body, expiresAt }, traceId);
    return { ...resourceOf(record), key };
  }

  @Get()
  @AdminRoute({
    summary: 'List keys, revoked ones too; the keys themselves are not stored',
    scope: 'admin-keys:read',
    query: pageQuerySchema,
    response: { status: 200, description: 'One page', schema: adminKeyPageSchema },
    problems: ['ADMIN_INVALID_PARAMETER', 'ADMIN_INVALID_CURSOR'],
  })
  async list(
    @Principal() principal: AdminPrincipal,
    @Query(new ZodPipe(pageQuerySchema)) query: z.infer<typeof pageQuerySchema>,
    @Req() request: AdminRequest,
    @Res({ passthrough: true }) response: AdminResponse,
  ): Promise<{ items: AdminKeyResource[]; nextCursor: string | null }> {
    const list = ['admin-keys', principal.tenant];
    const after = query.cursor === undefined ? undefined : decodeCursor(list, query.cursor);
    // One more than asked tells whether there is a next page.
    const records = await this.keys.list(principal, after, query.limit + 1);
    const items = records.slice(0, query.limit).map(resourceOf);
    const last = records.length > query.limit ? items.at(-1) : undefined;
    const nextCursor = last === undefined ? null : encodeCursor(list, last.id);
    if (nextCursor !== null) response.setHeader('Link', nextLink(request.originalUrl, nextCursor));
    return { items, nextCursor };
  }

  @Delete(':id')
  @HttpCode(204)
  @AdminRoute({
    summary: 'Revoke a key',
    scope: 'admin-keys:write',
    response: { status: 204, description: 'Revoked' },
    problems: ['ADMIN_NOT_FOUND', 'ADMIN_CONFLICT'],
  })
  async revoke(
    @Principal() principal: AdminPrincipal,
    @Param('id') id: string,
    @TraceId() traceId: string,
  ): Promise<void> {
    await this.keys.revoke(principal, id, traceId);
  }
}

function resourceOf(record: AdminKeyRecord): AdminKeyResource {
  return {
    id: record.id,
    name: record.name,
    scopes: [...record.scopes],
    createdAt: record.createdAt.toISOString(),
    expiresAt: record.expiresAt?.toISOString() ?? null,
    revokedAt: record.revokedAt?.toISOString() ?? null,
    lastUsedAt: record.lastUsedAt?.toISOString() ?? null,
  };
}
