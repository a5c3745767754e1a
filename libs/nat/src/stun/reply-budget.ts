/**
 * Limits replies to whoever has not proven where it is. Without it a server multiplies traffic towards a forged source
 * address; with it a victim gets no more than the refill of one bucket.
 */
import { sourcePrefix } from '../net/source-prefix.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import type { Instant } from '../time/instant.ts';

export interface ReplyBudgetOptions {
  /** Replies per second and source in the long run. */
  readonly perSecond: number;
  /** Replies in one go to a source that was silent before. */
  readonly burst: number;
  /** How many sources are told apart. The one that was silent longest makes room, so forged sources cost constant memory. */
  readonly maxSources: number;
}

export const DEFAULT_REPLY_BUDGET: ReplyBudgetOptions = { perSecond: 50, burst: 100, maxSources: 16_384 };

interface Bucket {
  tokens: number;
  refilledAt: Instant;
}

export class ReplyBudget {
  private readonly options: ReplyBudgetOptions;
  /** Insertion order is the order of last use. */
  private readonly buckets = new Map<string, Bucket>();

  constructor(options: Partial<ReplyBudgetOptions> = {}) {
    this.options = { ...DEFAULT_REPLY_BUDGET, ...options };
  }

  /** How many sources are remembered now. */
  get size(): number {
    return this.buckets.size;
  }

  /** Whether one more reply may go to the source; if so it is counted. */
  take(source: TransportAddress, now: Instant): boolean {
    const { perSecond, burst } = this.options;
    const key = sourcePrefix(source);
    const bucket = this.bucketFor(key, now);
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.refilledAt) / 1000) * perSecond);
    bucket.refilledAt = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  private bucketFor(key: string, now: Instant): Bucket {
    const known = this.buckets.get(key);
    if (known !== undefined) {
      this.buckets.delete(key);
      this.buckets.set(key, known);
      return known;
    }
    if (this.buckets.size >= this.options.maxSources) {
      const [longestSilent] = this.buckets.keys();
      if (longestSilent !== undefined) this.buckets.delete(longestSilent);
    }
    const bucket: Bucket = { tokens: this.options.burst, refilledAt: now };
    this.buckets.set(key, bucket);
    return bucket;
  }
}
