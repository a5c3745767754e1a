import {
  handleSchema,
  type DirectoryEntry,
  type RequestInputOf,
  type ResponseOf,
  type UserId,
} from '@parley/protocol';
import { edgeError } from '../errors.ts';
import type { Signalling } from '../signalling/signalling.ts';

/** One page of a search. */
export type SearchPage = ResponseOf<'directory.search'>;

/** Users by handle or id, and the own entry. */
export class Directory {
  readonly #signalling: Signalling;

  constructor(signalling: Signalling) {
    this.#signalling = signalling;
  }

  /** Looks a user up. @throws NOT_FOUND, EDGE_OPTIONS_INVALID */
  async lookup(by: { readonly handle: string } | { readonly userId: UserId }): Promise<DirectoryEntry> {
    const { entry } = await this.#signalling.request(
      'directory.lookup',
      'userId' in by ? { userId: by.userId } : { handle: parseHandle(by.handle) },
    );
    return entry;
  }

  /**
   * Users who opted in and whose handle or name begins with `prefix`. A page may be short, or empty: `nextCursor` is null only at the
   * end.
   */
  search(
    prefix: string,
    options: { readonly limit?: number; readonly cursor?: string } = {},
  ): Promise<SearchPage> {
    return this.#signalling.request('directory.search', { prefix, ...options });
  }

  /** Changes the own entry; what is left out stays as it is. @throws HANDLE_TAKEN */
  update(change: RequestInputOf<'directory.update'>): Promise<ResponseOf<'directory.update'>> {
    return this.#signalling.request('directory.update', change);
  }
}

function parseHandle(text: string) {
  const handle = handleSchema.safeParse(text);
  if (!handle.success) throw edgeError('EDGE_OPTIONS_INVALID', { message: 'This is not a usable handle.' });
  return handle.data;
}
