import { Injectable } from '@nestjs/common';
import {
  handleSchema,
  userIdSchema,
  type DirectoryEntry,
  type Handle,
  type TenantId,
  type UserId,
} from '@parley/protocol';
import type {
  DirectoryEntries,
  EntryChange,
  EntryPage,
  OwnEntry,
} from '../directory/directory-entries.port.ts';
import { foldHandle } from '../identity/handle.ts';
import { Prisma } from './generated/client.ts';
import { PrismaService } from './prisma.service.ts';

const ENTRY = { userId: true, handle: true, displayName: true } as const;

type EntryRow = Prisma.UserGetPayload<{ select: typeof ENTRY }>;

/** The directory in PostgreSQL. */
@Injectable()
export class PrismaDirectoryEntries implements DirectoryEntries {
  constructor(private readonly prisma: PrismaService) {}

  async find(
    tenantId: TenantId,
    viewer: UserId,
    by: { handle: Handle } | { userId: UserId },
  ): Promise<DirectoryEntry | undefined> {
    const row = await this.prisma.user.findFirst({
      where: {
        tenantId,
        status: 'active',
        ...('handle' in by ? { handleFolded: foldHandle(by.handle) } : { userId: by.userId }),
        contactsOwned: { none: { peerId: viewer, state: 'blocked' } },
      },
      select: ENTRY,
    });
    return row ? toEntry(row) : undefined;
  }

  async search(
    tenantId: TenantId,
    viewer: UserId,
    prefix: string,
    limit: number,
    after: string | undefined,
  ): Promise<EntryPage> {
    const rows = await this.prisma.user.findMany({
      where: {
        tenantId,
        status: 'active',
        discoverable: true,
        handleFolded: { not: null, ...(after !== undefined && { gt: after }) },
        OR: [
          { handleFolded: { startsWith: literal(foldHandle(prefix)) } },
          { displayName: { startsWith: literal(prefix), mode: 'insensitive' } },
        ],
        contactsOwned: { none: { peerId: viewer, state: 'blocked' } },
      },
      select: { ...ENTRY, handleFolded: true },
      orderBy: { handleFolded: 'asc' },
      take: limit + 1,
    });
    const page = rows.slice(0, limit);
    const next = rows.length > limit ? (page.at(-1)?.handleFolded ?? null) : null;
    return { entries: page.map(toEntry), next };
  }

  async update(
    tenantId: TenantId,
    userId: UserId,
    change: EntryChange,
  ): Promise<OwnEntry | 'taken' | undefined> {
    const { handle, ...rest } = change;
    const data = { ...rest, ...(handle !== undefined && { handle, handleFolded: foldHandle(handle) }) };
    try {
      const row = await this.prisma.user.update({
        where: { tenantId_userId: { tenantId, userId } },
        data,
        select: { ...ENTRY, discoverable: true },
      });
      return { entry: toEntry(row), discoverable: row.discoverable };
    } catch (error) {
      if (!(error instanceof Prisma.PrismaClientKnownRequestError)) throw error;
      if (error.code === 'P2002') return 'taken';
      if (error.code === 'P2025') return undefined;
      throw error;
    }
  }
}

/** Prisma makes a LIKE pattern of a prefix and leaves its wildcards alone. */
function literal(prefix: string): string {
  return prefix.replace(/[\\%_]/g, '\\$&');
}

function toEntry(row: EntryRow): DirectoryEntry {
  return {
    userId: userIdSchema.parse(row.userId),
    handle: row.handle === null ? null : handleSchema.parse(row.handle),
    displayName: row.displayName,
  };
}
