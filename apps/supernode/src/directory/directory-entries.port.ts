import type { DirectoryEntry, Handle, TenantId, UserId } from '@parley/protocol';

export interface OwnEntry {
  readonly entry: DirectoryEntry;
  readonly discoverable: boolean;
}

export interface EntryChange {
  readonly handle?: Handle;
  readonly displayName?: string | null;
  readonly discoverable?: boolean;
}

export interface EntryPage {
  readonly entries: readonly DirectoryEntry[];
  /** Where the next page begins, for {@link DirectoryEntries.search} only; null at the end. */
  readonly next: string | null;
}

/** The durable directory: consistent, refused while the database is out of reach. */
export interface DirectoryEntries {
  /** The entry of an active user who has not blocked `viewer`. */
  find(
    tenant: TenantId,
    viewer: UserId,
    by: { handle: Handle } | { userId: UserId },
  ): Promise<DirectoryEntry | undefined>;
  /**
   * Users who opted in: first those whose handle begins so, in the order of handles, then those whose display name does, in
   * that of names; regardless of case. A page has a bound on what is read for it: it may be short, or empty, and not the last.
   */
  search(
    tenant: TenantId,
    viewer: UserId,
    prefix: string,
    limit: number,
    after: string | undefined,
  ): Promise<EntryPage>;
  /** `taken` when the handle belongs to somebody else; undefined when the user is no account. */
  update(tenant: TenantId, userId: UserId, change: EntryChange): Promise<OwnEntry | 'taken' | undefined>;
}

export const DIRECTORY_ENTRIES = Symbol('DirectoryEntries');
