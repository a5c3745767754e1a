const FIRST_PORT = 22_000;
/** Less than a third of what systems keep for it, and far more than the clients of the demo need. */
const PORTS = 2_000;

export interface RelayPlace {
  readonly nodeId: string;
  /** `address:port` of its STUN and TURN server. */
  readonly server: string;
}

/** Settings with which the relay ports of each supernode tell whose they are, though all have one address. `at` counts from 0. */
export function relayPortsOf(at: number): Readonly<Record<string, string>> {
  const first = FIRST_PORT + at * PORTS;
  return {
    SUPERNODE_RELAY_PORT_RANGE: `${first}-${first + PORTS - 1}`,
    SUPERNODE_RELAY_MAX_ALLOCATIONS: String(PORTS / 2),
  };
}

/** Which supernode a session's relay is at. */
export class RelayPlaces {
  readonly #servers: ReadonlyMap<string, string>;
  readonly #nodes: readonly string[];

  /** In the order of {@link relayPortsOf}. */
  constructor(places: readonly RelayPlace[]) {
    this.#nodes = places.map(({ nodeId }) => nodeId);
    this.#servers = new Map(places.map(({ nodeId, server }) => [server, nodeId]));
  }

  /** By the address of its server, or by that of an allocation there. */
  nodeAt(address: string): string | undefined {
    const port = Number(address.slice(address.lastIndexOf(':') + 1));
    return this.#servers.get(address) ?? this.#nodes[Math.floor((port - FIRST_PORT) / PORTS)];
  }
}
