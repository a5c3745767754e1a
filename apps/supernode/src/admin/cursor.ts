import { createHash } from 'node:crypto';
import { AdminProblem } from './problem.ts';

export const DEFAULT_PAGE_LIMIT = 50;
export const MAX_PAGE_LIMIT = 200;
const MAX_CURSOR_LENGTH = 1024;

/**
 * An opaque place in a list. It holds the last item's key and a fingerprint of the query that it belongs to: a cursor
 * of other filters is refused, rather than giving a page with holes. It grants nothing (the tenant comes from the
 * admin key on every request), so it needs no signature.
 *
 * @param query - the resource and every filter of the list
 */
export function encodeCursor(query: readonly unknown[], after: string): string {
  return Buffer.from(JSON.stringify([fingerprint(query), after])).toString('base64url');
}

/** @throws AdminProblem ADMIN_INVALID_CURSOR */
export function decodeCursor(query: readonly unknown[], cursor: string): string {
  if (cursor.length > MAX_CURSOR_LENGTH) throw new AdminProblem('ADMIN_INVALID_CURSOR');
  let content: unknown;
  try {
    content = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch (cause) {
    throw new AdminProblem('ADMIN_INVALID_CURSOR', undefined, undefined, { cause });
  }
  if (!Array.isArray(content) || content.length !== 2) throw new AdminProblem('ADMIN_INVALID_CURSOR');
  const [of, after] = content as unknown[];
  if (of !== fingerprint(query) || typeof after !== 'string') throw new AdminProblem('ADMIN_INVALID_CURSOR');
  return after;
}

/** The `Link` header of the next page (RFC 8288): the request's own URL with another cursor. */
export function nextLink(requestUrl: string, cursor: string): string {
  const url = new URL(requestUrl, 'http://admin.invalid');
  url.searchParams.set('cursor', cursor);
  return `<${url.pathname}${url.search}>; rel="next"`;
}

function fingerprint(query: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(query)).digest('base64url').slice(0, 11);
}
