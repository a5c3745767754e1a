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

/** How far one page reads on among names that it does not give: of those found by their handle, of those who block the viewer. */
const MAX_READ_ROWS = 500;
const ENTRY = { userId: true, handle: true, displayName: true } as const;

type EntryRow = Prisma.UserGetPayload<{ select: typeof ENTRY }>;

interface Search {
  readonly tenantId: TenantId;
  readonly viewer: UserId;
  readonly prefix: string;
  readonly limit: number;
}

interface FoundRow extends EntryRow {
  readonly handleFolded: string;
  /** Null where the handle was what fitted. */
  readonly nameFolded: string | null;
}

/** Where a page ended: among those found by their handle, or by their display name. */
type Place =
  | { readonly kind: 'handle'; readonly handle: string }
  | { readonly kind: 'name'; readonly name: string; readonly handle: string };

const FIRST_HANDLE: Place = { kind: 'handle', handle: '' };
const FOUND = Prisma.sql`user_id AS "userId", handle, display_name AS "displayName", handle_folded AS "handleFolded"`;

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
    const place = after === undefined ? FIRST_HANDLE : parsePlace(after);
    if (!place) return { entries: [], next: null };
    const search: Search = { tenantId, viewer, prefix, limit: limit + 1 };
    const byHandle = place.kind === 'handle' ? await this.searchHandles(search, place.handle) : [];
    const wanted = limit + 1 - byHandle.length;
    const byName = wanted > 0 ? await this.searchNames({ ...search, limit: wanted }, place) : [];
    const rows = [...byHandle, ...byName];
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : await this.lastNameRead(search, place);
    return { entries: page.map(toEntry), next: last ? renderPlace(last) : null };
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

  private searchHandles({ tenantId, viewer, prefix, limit }: Search, after: string): Promise<FoundRow[]> {
    const pattern = `${literal(foldHandle(prefix))}%`;
    return this.prisma.$queryRaw<FoundRow[]>`
      SELECT ${FOUND}, NULL AS "nameFolded" FROM user_account AS account
      WHERE tenant_id = ${tenantId} AND discoverable AND status = 'active' AND handle_folded IS NOT NULL
        AND handle_folded LIKE ${pattern} AND handle_folded > ${after} AND ${notBlocking(viewer)}
      ORDER BY handle_folded LIMIT ${limit}`;
  }

  /** Of those whose handle does not begin so: they came before. */
  private searchNames(search: Search, place: Place): Promise<FoundRow[]> {
    const handles = `${literal(foldHandle(search.prefix))}%`;
    return this.prisma.$queryRaw<FoundRow[]>`
      SELECT ${FOUND}, lower(display_name) AS "nameFolded" FROM (${namesAfter(search, place)}) AS account
      WHERE handle_folded NOT LIKE ${handles} AND ${notBlocking(search.viewer)} LIMIT ${search.limit}`;
  }

  /** Where {@link searchNames} stopped though there may be more; undefined where it saw all. */
  private async lastNameRead(search: Search, place: Place): Promise<FoundRow | undefined> {
    const [row] = await this.prisma.$queryRaw<FoundRow[]>`
      SELECT ${FOUND}, lower(display_name) AS "nameFolded" FROM (${namesAfter(search, place)}) AS account
      OFFSET ${MAX_READ_ROWS - 1}`;
    return row;
  }
}

/** The next rows by display name, in order. */
function namesAfter({ tenantId, prefix }: Search, place: Place): Prisma.Sql {
  const pattern = `${literal(prefix)}%`;
  const [name, handle] = place.kind === 'name' ? [place.name, place.handle] : [prefix, ''];
  // The row comparison is where the scan of the index begins; a LIKE alone would only filter.
  return Prisma.sql`
    SELECT * FROM user_account
    WHERE tenant_id = ${tenantId} AND discoverable AND status = 'active' AND handle_folded IS NOT NULL
      AND display_name IS NOT NULL AND lower(display_name) COLLATE "C" LIKE lower(${pattern})
      AND (lower(display_name) COLLATE "C", handle_folded) > (lower(${name}), ${handle})
    ORDER BY lower(display_name) COLLATE "C", handle_folded LIMIT ${MAX_READ_ROWS}`;
}

/** Of a prefix that becomes a LIKE pattern, the wildcards are letters. */
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

function notBlocking(viewer: UserId): Prisma.Sql {
  return Prisma.sql`NOT EXISTS (
    SELECT 1 FROM contact WHERE contact.tenant_id = account.tenant_id AND contact.owner_id = account.user_id
      AND contact.peer_id = ${viewer} AND contact.state = 'blocked')`;
}

/** Handles hold no space, so that the first one ends the handle. */
function renderPlace({ handleFolded, nameFolded }: FoundRow): string {
  return nameFolded === null ? handleFolded : `${handleFolded} ${nameFolded}`;
}

/** Undefined for what PostgreSQL takes in no text: no page of ours ended there. */
function parsePlace(text: string): Place | undefined {
  if (text.includes('\0')) return undefined;
  const space = text.indexOf(' ');
  if (space === -1) return { kind: 'handle', handle: text };
  return { kind: 'name', handle: text.slice(0, space), name: text.slice(space + 1) };
}
