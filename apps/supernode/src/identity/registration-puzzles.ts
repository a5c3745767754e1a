import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import {
  decodeBase64url,
  encodeBase64url,
  leadingZeroBits,
  LIMITS,
  puzzleInput,
  type RequestOf,
  type ResponseOf,
  type TenantId,
} from '@parley/protocol';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { IDENTITY_CONFIG } from '../config/config.module.ts';
import type { IdentityConfig } from '../config/config.schema.ts';
import { Refusal } from '../refusal.ts';
import { BoundedCounts } from './bounded-counts.ts';

const EXPIRY_BYTES = 8;
const RANDOM_BYTES = 16;
const BODY_BYTES = EXPIRY_BYTES + 1 + RANDOM_BYTES;
const TAG_BYTES = 16;
const WINDOW_MS = 60_000;
const MAX_SOURCES = 10_000;
/** Puzzles per window that one source may take before each doubling costs it one more bit. */
const FREE_PER_SOURCE = 8;
/**
 * Puzzles per window that all sources together may solve before each doubling costs everybody one more bit. Those that
 * were only asked for do not count: asking is free, so that one source could close the door to all others.
 */
const FREE_SOLVED = 256;
/** Solved puzzles remembered until they expire; each cost its solver the work, so that filling this is expensive. */
const MAX_SPENT = 50_000;

/**
 * Proof of work for open registration. A puzzle is stateless: expiry, difficulty and random bytes under a MAC of this
 * process, so that asking for one costs no memory. Only solved ones are remembered, until they expire.
 */
@Injectable()
export class RegistrationPuzzles {
  private readonly key = randomBytes(32);
  private readonly perSource = new BoundedCounts(WINDOW_MS, MAX_SOURCES);
  private readonly solved = new BoundedCounts(WINDOW_MS, 1);
  /** Challenge to monotonic expiry, in the order of expiry as all live equally long. */
  private readonly spent = new Map<string, number>();

  constructor(
    @Inject(IDENTITY_CONFIG) private readonly config: Pick<IdentityConfig, 'puzzleBits'>,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  issue(tenant: TenantId, source: string): ResponseOf<'register.puzzle'> {
    const now = this.clock.monotonic();
    const difficultyBits = this.difficulty(source, now);
    const body = Buffer.alloc(BODY_BYTES);
    body.writeDoubleBE(now + LIMITS.puzzleLifetimeMs, 0);
    body.writeUInt8(difficultyBits, EXPIRY_BYTES);
    randomBytes(RANDOM_BYTES).copy(body, EXPIRY_BYTES + 1);
    const challenge = encodeBase64url(Buffer.concat([body, this.tag(tenant, body)]));
    return { challenge, difficultyBits, expiresInMs: LIMITS.puzzleLifetimeMs };
  }

  /**
   * Accepts a solution once.
   *
   * @throws Refusal PUZZLE_EXPIRED, PUZZLE_UNSOLVED, RATE_LIMITED
   */
  spend(tenant: TenantId, puzzle: RequestOf<'register'>['puzzle']): void {
    const now = this.clock.monotonic();
    const challenge = decodeBase64url(puzzle.challenge);
    const solution = decodeBase64url(puzzle.solution);
    if (challenge?.length !== BODY_BYTES + TAG_BYTES || !solution) throw new Refusal('PUZZLE_EXPIRED');
    const body = Buffer.from(challenge.subarray(0, BODY_BYTES));
    if (!timingSafeEqual(challenge.subarray(BODY_BYTES), this.tag(tenant, body)))
      throw new Refusal('PUZZLE_EXPIRED');
    const expiresAt = body.readDoubleBE(0);
    if (expiresAt <= now) throw new Refusal('PUZZLE_EXPIRED');
    const digest = createHash('sha256').update(puzzleInput(challenge, solution)).digest();
    if (leadingZeroBits(digest) < body.readUInt8(EXPIRY_BYTES)) throw new Refusal('PUZZLE_UNSOLVED');
    this.remember(puzzle.challenge, expiresAt, now);
    this.solved.add('', now);
  }

  private remember(challenge: string, expiresAt: number, now: number): void {
    if (this.spent.has(challenge)) throw new Refusal('PUZZLE_EXPIRED', 'The puzzle was used before.');
    for (const [old, expiry] of this.spent) {
      if (expiry > now) break;
      this.spent.delete(old);
    }
    if (this.spent.size >= MAX_SPENT) throw new Refusal('RATE_LIMITED', undefined, WINDOW_MS);
    this.spent.set(challenge, expiresAt);
  }

  private difficulty(source: string, now: number): number {
    const extra =
      doublings(this.perSource.add(source, now), FREE_PER_SOURCE) +
      doublings(this.solved.estimate('', now), FREE_SOLVED);
    return Math.min(LIMITS.maxPuzzleDifficultyBits, this.config.puzzleBits + extra);
  }

  private tag(tenant: TenantId, body: Uint8Array): Buffer {
    return createHmac('sha256', this.key).update(`${tenant} `).update(body).digest().subarray(0, TAG_BYTES);
  }
}

function doublings(count: number, free: number): number {
  return count <= free ? 0 : Math.ceil(Math.log2(count / free));
}
