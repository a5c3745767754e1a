import { Inject, Injectable } from '@nestjs/common';
import { createRemoteJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { Refusal } from '../refusal.ts';

const FETCH_TIMEOUT_MS = 5_000;
/** Between two fetches because of an unknown key id: anybody can make those up. */
const COOLDOWN_MS = 30_000;
const CACHE_MS = 10 * 60_000;
/** After a fetch that failed, the set is not asked again for so long. */
const FAILURE_PAUSE_MS = 5_000;

/** The key sets of tenants (JWKS), each fetched once and kept. */
@Injectable()
export class RemoteKeySets {
  private readonly sets = new Map<string, JWTVerifyGetKey>();

  constructor(@Inject(CLOCK) private readonly clock: Clock) {}

  /** Finds the key for a token. It throws `JWKSNoMatchingKey`, or a retryable refusal where the set is out of reach. */
  of(url: string): JWTVerifyGetKey {
    let set = this.sets.get(url);
    if (!set) {
      set = this.open(url);
      this.sets.set(url, set);
    }
    return set;
  }

  private open(url: string): JWTVerifyGetKey {
    const remote = createRemoteJWKSet(new URL(url), {
      timeoutDuration: FETCH_TIMEOUT_MS,
      cooldownDuration: COOLDOWN_MS,
      cacheMaxAge: CACHE_MS,
    });
    let askAgainAt = Number.NEGATIVE_INFINITY;
    return async (header, token) => {
      if (this.clock.monotonic() < askAgainAt) throw outOfReach();
      try {
        return await remote(header, token);
      } catch (error) {
        if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
          throw error;
        askAgainAt = this.clock.monotonic() + FAILURE_PAUSE_MS;
        throw outOfReach(error);
      }
    };
  }
}

function outOfReach(cause?: unknown): Refusal {
  return new Refusal('STORE_UNAVAILABLE', 'The keys of the tenant cannot be fetched now.', FAILURE_PAUSE_MS, {
    cause,
  });
}
