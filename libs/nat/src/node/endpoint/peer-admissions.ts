import { transportAddressKey, type TransportAddress } from '../../net/transport-address.ts';
import type { IcePath } from './ice-path.ts';

interface Admission {
  readonly peer: TransportAddress;
  readonly paths: Set<IcePath>;
}

/** Which peers the shared allocation admits, and for which paths: a permission ends with its last path. */
export class PeerAdmissions {
  readonly #admissions = new Map<string, Admission>();

  /** True: nobody asked for this peer before. */
  add(peer: TransportAddress, path: IcePath): boolean {
    const key = transportAddressKey(peer);
    const known = this.#admissions.get(key);
    known?.paths.add(path);
    if (known === undefined) this.#admissions.set(key, { peer, paths: new Set([path]) });
    return known === undefined;
  }

  /** Everybody who is admitted now. */
  peers(): readonly TransportAddress[] {
    return [...this.#admissions.values()].map(({ peer }) => peer);
  }

  /** The peers that nobody needs any more. */
  removePath(path: IcePath): readonly TransportAddress[] {
    const released: TransportAddress[] = [];
    for (const [key, { peer, paths }] of this.#admissions) {
      if (!paths.delete(path) || paths.size > 0) continue;
      this.#admissions.delete(key);
      released.push(peer);
    }
    return released;
  }

  /** The allocation is gone and its permissions with it. */
  clear(): void {
    this.#admissions.clear();
  }
}
