import { isSpecialPurpose, parseIpAddress, type Instant } from '@parley/nat';
import type { NodeId } from './node-record.ts';

/** Answers of one peer in a row that must name one address before that is its view: a NAT may use several. */
export const CLAIMS_OF_A_VIEW = 3;
/** The same where only one peer sees a public address: the others have that long to say something else. */
export const CLAIMS_OF_ONE_PEER = 10;
/** A peer that said nothing for that long has no view any more. Peers are probed each second or some. */
export const CLAIM_LIFE_MS = 60_000;
/** More peers are not listened to: these suffice for a majority. */
export const MAX_PEERS = 128;

interface Claim {
  address: string;
  /** In a row. */
  times: number;
  at: Instant;
}

/**
 * What peers say of the address that this supernode comes from (DESIGN 5.2). One peer may be on the same network and see a private
 * address, one may lie, one may be gone: what counts is the latest view of each, of a public address, and a majority of those.
 */
export class AddressClaims {
  private readonly claims = new Map<NodeId, Claim>();

  /**
   * @returns the address that most of the peers see that see a public one; undefined while they do not agree, or did not repeat it
   * often enough
   */
  heard(peer: NodeId, address: string, now: Instant): string | undefined {
    this.forgetOld(now);
    if (isPublicAddress(address)) this.keep(peer, address, now);
    // It sees us by another way than remote peers: it has nothing to say of how those see us.
    else this.claims.delete(peer);
    return this.agreed();
  }

  /** How many peers have a view, or are about to. */
  get size(): number {
    return this.claims.size;
  }

  private keep(peer: NodeId, address: string, now: Instant): void {
    const claim = this.claims.get(peer);
    // Who is new does not push anybody out: where peers are asked in turn, nobody would ever repeat itself.
    if (claim === undefined && this.claims.size >= MAX_PEERS) return;
    const times = claim?.address === address ? claim.times + 1 : 1;
    this.claims.set(peer, { address, times, at: now });
  }

  private agreed(): string | undefined {
    const needed = this.claims.size === 1 ? CLAIMS_OF_ONE_PEER : CLAIMS_OF_A_VIEW;
    const supporters = new Map<string, number>();
    for (const { address, times } of this.claims.values()) {
      if (times >= needed) supporters.set(address, (supporters.get(address) ?? 0) + 1);
    }
    // A peer that changes its mind is one of those who do not agree.
    return [...supporters].find(([, count]) => 2 * count > this.claims.size)?.[0];
  }

  private forgetOld(now: Instant): void {
    for (const [peer, { at }] of this.claims) if (now - at >= CLAIM_LIFE_MS) this.claims.delete(peer);
  }
}

/** An address in a special-purpose range (RFC 6890) is that of a network which others need not share. */
export function isPublicAddress(address: string): boolean {
  const bytes = parseIpAddress(address);
  return bytes !== undefined && !isSpecialPurpose(bytes);
}
