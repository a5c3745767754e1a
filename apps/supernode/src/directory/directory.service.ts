import { Inject, Injectable } from '@nestjs/common';
import { decodeBase64url, encodeBase64url, LIMITS, type RequestOf, type ResponseOf } from '@parley/protocol';
import { PaddedRefusals } from '../clock/padded-refusals.ts';
import type { Caller } from '../identity/caller.ts';
import { Refusal } from '../refusal.ts';
import { DIRECTORY_ENTRIES, type DirectoryEntries, type EntryChange } from './directory-entries.port.ts';

/** Who is who: look-up by exact handle or id, search among those who opted in. */
@Injectable()
export class DirectoryService {
  constructor(
    @Inject(DIRECTORY_ENTRIES) private readonly entries: DirectoryEntries,
    private readonly padded: PaddedRefusals,
  ) {}

  /** Absent users and users who blocked the caller are refused alike, after the same delay. */
  async lookup(
    caller: Caller,
    request: RequestOf<'directory.lookup'>,
  ): Promise<ResponseOf<'directory.lookup'>> {
    const entry = await this.padded.foundOrRefused('NOT_FOUND', () =>
      this.entries.find(caller.tenant, caller.userId, request),
    );
    return { entry };
  }

  async search(
    caller: Caller,
    request: RequestOf<'directory.search'>,
  ): Promise<ResponseOf<'directory.search'>> {
    const after = request.cursor === undefined ? undefined : cursorText(request.cursor);
    const limit = request.limit ?? LIMITS.maxSearchResults;
    const page = await this.entries.search(caller.tenant, caller.userId, request.prefix, limit, after);
    const nextCursor = page.next === null ? null : encodeBase64url(new TextEncoder().encode(page.next));
    return { entries: [...page.entries], nextCursor };
  }

  async update(
    caller: Caller,
    request: RequestOf<'directory.update'>,
  ): Promise<ResponseOf<'directory.update'>> {
    const change: EntryChange = {
      ...(request.handle !== undefined && { handle: request.handle }),
      ...(request.displayName !== undefined && { displayName: request.displayName }),
      ...(request.discoverable !== undefined && { discoverable: request.discoverable }),
    };
    const updated = await this.entries.update(caller.tenant, caller.userId, change);
    if (updated === 'taken') throw new Refusal('HANDLE_TAKEN');
    if (!updated) throw new Refusal('ACCOUNT_REQUIRED');
    return updated;
  }
}

function cursorText(cursor: string): string {
  const bytes = decodeBase64url(cursor);
  if (!bytes) throw new Refusal('BAD_REQUEST', 'The cursor is not one of this directory.');
  return new TextDecoder().decode(bytes);
}
