import { after, type Instant } from '../../time/instant.ts';
import { DEFAULT_LIFETIME_S } from '../limits.ts';
import type { ServerState } from './server-state.ts';

export interface GrantedLifetime {
  /** What the client is told, whole seconds. */
  readonly seconds: number;
  readonly endsAt: Instant;
}

/**
 * RFC 8656 section 7.2: what was asked for, between the default and the maximum; never beyond the life of the credential,
 * with which the allocation ends, so that the client knows when to come with a new one.
 */
export function grantedLifetime(
  { maxLifetimeSeconds }: ServerState,
  requested: number | undefined,
  credentialExpiresAt: Instant,
  now: Instant,
): GrantedLifetime {
  const seconds = Math.min(Math.max(requested ?? DEFAULT_LIFETIME_S, DEFAULT_LIFETIME_S), maxLifetimeSeconds);
  const endsAt = after(now, seconds * 1000);
  if (endsAt <= credentialExpiresAt) return { seconds, endsAt };
  const left = Math.max(1, Math.floor((credentialExpiresAt - now) / 1000));
  return { seconds: left, endsAt: credentialExpiresAt };
}
