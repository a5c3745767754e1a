/** What the set-up benchmark tells a process with nodes of the DHT. Shapes are plain JSON: they cross a process boundary. */
export interface HyperdhtCommands {
  /** Starts nodes that anybody reaches, on one public address; returns their ports. */
  bootstrap: { params: { host: string; nodes: number }; result: { ports: readonly number[] } };
  /** A node of its own behind whatever NAT there is, which accepts connections. */
  listen: { params: Bootstrap; result: { publicKey: string } };
  join: { params: Bootstrap; result: null };
  /** Connects, and sends one byte as soon as that is possible. */
  connect: { params: { publicKey: string }; result: { beganAt: number; leftAt: number } };
  /** Waits for the first byte of the next connection. */
  takeByte: { params: null; result: { firstByteAt: number } };
  leave: { params: null; result: null };
}

export interface Bootstrap {
  readonly host: string;
  readonly ports: readonly number[];
}
