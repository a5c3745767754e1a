import type { TransportAddress } from '../net/transport-address.ts';
import {
  addressOfSocket,
  type StunServerAddresses,
  type StunServerSocket,
} from '../stun/server-addresses.ts';
import { StunServer, type StunServerOptions, type StunServerStats } from '../stun/stun-server.ts';
import { monotonicNow } from './monotonic-clock.ts';
import { nodeCrypto } from './node-crypto.ts';
import { UdpSocket } from './udp-socket.ts';

export interface StunServerDriverOptions extends Pick<StunServerOptions, 'replyBudget'> {
  /** What to bind; ports of 0 take free ones. */
  readonly bind: StunServerAddresses;
  /** What clients see where it differs from what is bound. */
  readonly advertised?: { readonly address?: string; readonly alternateAddress?: string };
}

export interface StunServerDriverStats extends StunServerStats {
  /** Datagrams that the operating system refused to send, and socket errors. */
  readonly socketErrors: number;
}

const SOCKETS: readonly StunServerSocket[] = [
  'primary',
  'alternate-port',
  'alternate-address',
  'alternate-address-and-port',
];

/** A {@link StunServer} on UDP sockets of its own. */
export class StunServerDriver {
  /** As clients see them, with the ports that were bound. */
  readonly addresses: StunServerAddresses;
  private readonly core: StunServer;
  private readonly sockets: ReadonlyMap<StunServerSocket, UdpSocket>;
  private readonly errors: { count: number };

  private constructor(
    addresses: StunServerAddresses,
    core: StunServer,
    sockets: ReadonlyMap<StunServerSocket, UdpSocket>,
    errors: { count: number },
  ) {
    this.addresses = addresses;
    this.core = core;
    this.sockets = sockets;
    this.errors = errors;
  }

  /** Binds up to four sockets, all or none. @throws NatError `NAT_BIND_FAILED` */
  static async open({ bind, advertised, replyBudget }: StunServerDriverOptions): Promise<StunServerDriver> {
    const sockets = new Map<StunServerSocket, UdpSocket>();
    const errors = { count: 0 };
    const { bound, receivers } = await bindAll(bind, sockets, errors);
    const addresses: StunServerAddresses = {
      ...bound,
      primary: { ...bound.primary, address: advertised?.address ?? bound.primary.address },
      ...(advertised?.alternateAddress === undefined
        ? {}
        : { alternateAddress: advertised.alternateAddress }),
    };
    const core = new StunServer({
      crypto: nodeCrypto,
      addresses,
      ...(replyBudget === undefined ? {} : { replyBudget }),
    });
    receivers.receive = (socket, bytes, from) => {
      for (const output of core.handle({ kind: 'datagram', bytes, from, socket }, monotonicNow())) {
        if (output.kind === 'send') sockets.get(output.socket)?.send(output.bytes, output.to);
      }
    };
    return new StunServerDriver(addresses, core, sockets, errors);
  }

  stats(): StunServerDriverStats {
    return { ...this.core.stats(), socketErrors: this.errors.count };
  }

  async close(): Promise<void> {
    await Promise.all([...this.sockets.values()].map((socket) => socket.close()));
  }
}

type Receive = (socket: StunServerSocket, bytes: Uint8Array, from: TransportAddress) => void;

/** The core needs the ports that are found here, so what receives is set after the sockets are open. */
async function bindAll(
  wanted: StunServerAddresses,
  sockets: Map<StunServerSocket, UdpSocket>,
  errors: { count: number },
): Promise<{ bound: StunServerAddresses; receivers: { receive: Receive } }> {
  const receivers: { receive: Receive } = { receive: () => undefined };
  let bound = wanted;
  try {
    for (const name of SOCKETS) {
      const address = addressOfSocket(bound, name);
      if (address === undefined) continue;
      const socket = await UdpSocket.open(address, {
        onDatagram: (bytes, from) => {
          receivers.receive(name, bytes, from);
        },
        onError: () => {
          errors.count += 1;
        },
      });
      sockets.set(name, socket);
      const { port } = socket.localAddress;
      if (name === 'primary') bound = { ...bound, primary: { ...bound.primary, port } };
      if (name === 'alternate-port') bound = { ...bound, alternatePort: port };
    }
  } catch (error) {
    await Promise.all([...sockets.values()].map((socket) => socket.close()));
    throw error;
  }
  return { bound, receivers };
}
