/**
 * A relay for tests of what sits above one: allocations, permissions per peer address, data both ways, all through the
 * virtual network. Its framing is its own (a line of JSON, then the payload); TURN has its own tests.
 */
import { transportAddressKey, type TransportAddress } from '../net/transport-address.ts';
import type { VirtualHost, VirtualSocket } from './virtual-host.ts';

export interface RelayFrame {
  readonly op: 'allocate' | 'permit' | 'data';
  /** The peer; in the answer to `allocate` the relayed address. */
  readonly address?: TransportAddress;
  /** In the answer to `allocate`: the client as the relay sees it. */
  readonly mapped?: TransportAddress;
}

const NEWLINE = 10;

export function encodeRelayFrame(frame: RelayFrame, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const head = new TextEncoder().encode(`${JSON.stringify(frame)}\n`);
  const bytes = new Uint8Array(head.length + payload.length);
  bytes.set(head);
  bytes.set(payload, head.length);
  return bytes;
}

export function decodeRelayFrame(bytes: Uint8Array): {
  readonly frame: RelayFrame;
  readonly payload: Uint8Array;
} {
  const end = bytes.indexOf(NEWLINE);
  return {
    frame: JSON.parse(new TextDecoder().decode(bytes.subarray(0, end))) as RelayFrame,
    payload: bytes.subarray(end + 1),
  };
}

interface Allocation {
  readonly socket: VirtualSocket;
  readonly permitted: Set<string>;
}

export class VirtualRelay {
  /** Where clients talk to it. */
  readonly address: TransportAddress;
  /** Datagrams of peers or to peers that were forwarded. */
  forwarded = 0;
  private readonly host: VirtualHost;
  private readonly socket: VirtualSocket;
  private readonly allocations = new Map<string, Allocation>();

  constructor(host: VirtualHost) {
    this.host = host;
    this.socket = host.bind(undefined, 3478);
    this.address = this.socket.localAddress;
    this.socket.onDatagram((bytes, client) => {
      this.serve(bytes, client);
    });
  }

  /** As if it crashed: nothing is answered or forwarded any more. */
  close(): void {
    this.socket.close();
    for (const { socket } of this.allocations.values()) socket.close();
  }

  private serve(bytes: Uint8Array, client: TransportAddress): void {
    const { frame, payload } = decodeRelayFrame(bytes);
    const allocation = this.allocations.get(transportAddressKey(client)) ?? this.allocate(client);
    if (frame.op === 'allocate') {
      const answer = {
        op: frame.op,
        address: allocation.socket.localAddress,
        mapped: client,
      } as const;
      this.socket.send(encodeRelayFrame(answer), client);
    } else if (frame.address !== undefined && frame.op === 'permit') {
      allocation.permitted.add(frame.address.address);
    } else if (frame.address !== undefined && allocation.permitted.has(frame.address.address)) {
      this.forwarded += 1;
      allocation.socket.send(payload, frame.address);
    }
  }

  private allocate(client: TransportAddress): Allocation {
    const allocation: Allocation = { socket: this.host.bind(), permitted: new Set() };
    this.allocations.set(transportAddressKey(client), allocation);
    allocation.socket.onDatagram((bytes, from) => {
      if (!allocation.permitted.has(from.address)) return;
      this.forwarded += 1;
      this.socket.send(encodeRelayFrame({ op: 'data', address: from }, bytes), client);
    });
    return allocation;
  }
}
