import { connectionIdOf, isForConnection } from './connection-id.ts';

/** Which owner the packets with a connection id belong to. */
export class ConnectionTable {
  readonly #owners = new Map<string, string>();
  /** Most packets are for the session of the packet before: found without making a text of their id. */
  #latest: { readonly ids: readonly Uint8Array[]; readonly owner: string } | undefined;

  has(id: string): boolean {
    return this.#owners.has(id);
  }

  add(id: string, owner: string): void {
    this.#owners.set(id, owner);
  }

  delete(id: string): void {
    this.#owners.delete(id);
    this.#latest = undefined;
  }

  /** Undefined for what is no packet of a session here. */
  ownerOf(packet: Uint8Array): string | undefined {
    if (this.#latest !== undefined && isForConnection(packet, this.#latest.ids)) return this.#latest.owner;
    const id = connectionIdOf(packet);
    const owner = id === undefined ? undefined : this.#owners.get(id);
    if (id !== undefined && owner !== undefined) this.#latest = { ids: [Buffer.from(id, 'hex')], owner };
    return owner;
  }
}
