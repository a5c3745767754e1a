import { decodeBase64url } from '../encoding/base64url.ts';
import type { SessionId } from '../ids.ts';

/**
 * Which of two calls goes on that two users made to each other at once: the one with the lower id, compared byte by byte.
 * Whoever made the other takes it back and answers this one.
 */
export function glareWinner(one: SessionId, other: SessionId): SessionId {
  const [left, right] = [decodeBase64url(one), decodeBase64url(other)];
  if (!left || !right) return one < other ? one : other;
  for (const [at, byte] of left.entries()) {
    const difference = byte - (right[at] ?? 0);
    if (difference !== 0) return difference < 0 ? one : other;
  }
  return one;
}
