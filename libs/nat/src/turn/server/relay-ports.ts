import type { NatCrypto } from '../../crypto/crypto.port.ts';
import type { AddressFamily } from '../../net/transport-address.ts';
import type { PortRange } from '../policy/peer-policy.ts';

/** `pair` is an even port whose successor is free too (RFC 8656 section 7.2, EVEN-PORT with the R bit). */
export type PortKind = 'any' | 'even' | 'pair';

/** Relay ports by chance (RFC 6056): who knows one allocation's port knows nothing about the next one's. */
export class RelayPorts {
  private readonly crypto: NatCrypto;
  private readonly range: PortRange;
  private readonly used: Readonly<Record<AddressFamily, Set<number>>> = { ipv4: new Set(), ipv6: new Set() };

  constructor(crypto: NatCrypto, range: PortRange) {
    this.crypto = crypto;
    this.range = range;
  }

  /** Takes a free port (and the next one for a pair), or gives `undefined` where there is none. */
  take(family: AddressFamily, kind: PortKind): number | undefined {
    const used = this.used[family];
    const { min, max } = this.range;
    const size = max - min + 1;
    const start = this.randomBelow(size);
    for (let step = 0; step < size; step += 1) {
      // After a random start, every port of the range comes up once: the search ends also when nearly all are taken.
      const port = min + ((start + step) % size);
      if (!this.isFree(used, port, kind)) continue;
      used.add(port);
      if (kind === 'pair') used.add(port + 1);
      return port;
    }
    return undefined;
  }

  release(family: AddressFamily, port: number): void {
    this.used[family].delete(port);
  }

  private isFree(used: ReadonlySet<number>, port: number, kind: PortKind): boolean {
    if (used.has(port)) return false;
    if (kind === 'any') return true;
    if (port % 2 !== 0) return false;
    return kind === 'even' || (port + 1 <= this.range.max && !used.has(port + 1));
  }

  private randomBelow(size: number): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.crypto.randomBytes(4);
    return (((a << 24) | (b << 16) | (c << 8) | d) >>> 0) % size;
  }
}
