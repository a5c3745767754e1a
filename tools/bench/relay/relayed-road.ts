import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import {
  encodeRelayData,
  FlowRegistration,
  instant,
  RELAY_HEADER_BYTES,
  transportAddress,
  TurnClient,
  type FlowRegistrationOutput,
  type TransportAddress,
  type TurnClientOutput,
} from '@parley/nat';
import { nodeCrypto } from '@parley/nat/node';
import type { RelayServerCommands } from './relay-server-commands.ts';

type Relay = RelayServerCommands['admit']['result'];

/** From one socket through the relay to another, in the form that its clients use. */
export interface RelayedRoad {
  send(payload: Uint8Array): void;
  /** The length of every payload that arrived. */
  onArrived(listener: (bytes: number) => void): void;
  close(): void;
}

const BUFFER_BYTES = 4 << 20;

async function newSocket(): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: BUFFER_BYTES, sendBufferSize: BUFFER_BYTES });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

const now = () => instant(performance.now());
const serverOf = ({ port }: Relay): TransportAddress => transportAddress('127.0.0.1', port);

/** Two registered flows and data frames. */
export async function nativeRoad(relay: Relay): Promise<RelayedRoad> {
  const server = serverOf(relay);
  const sockets = [await newSocket(), await newSocket()] as const;
  await Promise.all(sockets.map((socket, at) => register(socket, relay, at)));
  const relayId = Buffer.from(relay.relayId, 'base64');
  const [from, to] = sockets;
  // Both sides have to want it, or the relay stops after the seconds of the accepted offer.
  const wish = setInterval(
    () => to.send(encodeRelayData(relayId, Uint8Array.of(0)), server.port, server.address),
    500,
  );
  return {
    send: (payload) => from.send(encodeRelayData(relayId, payload), server.port, server.address),
    onArrived: (listener) =>
      to.on('message', (bytes) => {
        listener(bytes.length - RELAY_HEADER_BYTES);
      }),
    close: () => {
      clearInterval(wish);
      for (const socket of sockets) socket.close();
    },
  };
}

async function register(socket: Socket, relay: Relay, at: number): Promise<void> {
  const server = serverOf(relay);
  const { flowId = '', key = '' } = relay.flows[at] ?? {};
  const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'base64');
  const core = new FlowRegistration({
    crypto: nodeCrypto,
    lane: 0,
    flowId: bytesOf(flowId),
    key: bytesOf(key),
  });
  const perform = (outputs: readonly FlowRegistrationOutput[]): void => {
    for (const output of outputs)
      if (output.kind === 'send') socket.send(output.bytes, server.port, server.address);
  };
  await new Promise<void>((resolve) => {
    const onMessage = (bytes: Uint8Array): void => {
      perform(core.handle({ kind: 'datagram', bytes }, now()));
      if (core.observed === undefined) return;
      socket.off('message', onMessage);
      resolve();
    };
    socket.on('message', onMessage);
    perform(core.handle({ kind: 'start' }, now()));
  });
}

/** An allocation with a channel to the other socket, as standard TURN has it. */
export async function channelRoad(relay: Relay): Promise<RelayedRoad> {
  const server = serverOf(relay);
  const [from, to] = [await newSocket(), await newSocket()];
  const peer = transportAddress('127.0.0.1', to.address().port);
  const client = new TurnClient({ server, credential: relay, crypto: nodeCrypto });
  await new Promise<void>((resolve) => {
    const perform = (outputs: readonly TurnClientOutput[]): void => {
      for (const output of outputs) {
        if (output.kind === 'send') from.send(output.bytes, server.port, server.address);
        else if (output.kind === 'allocated') perform(client.handle({ kind: 'bind-channel', peer }, now()));
        else if (output.kind === 'channel-bound') resolve();
      }
    };
    from.on('message', (bytes) => perform(client.handle({ kind: 'datagram', bytes }, now())));
    perform(client.handle({ kind: 'allocate' }, now()));
  });
  return {
    send: (payload) => {
      const wrapped = client.wrap(peer, payload);
      if (wrapped) from.send(wrapped, server.port, server.address);
    },
    onArrived: (listener) =>
      to.on('message', (bytes) => {
        listener(bytes.length);
      }),
    close: () => {
      to.close();
      // One credential has few allocations: this one is given back.
      for (const output of client.handle({ kind: 'deallocate' }, now()))
        if (output.kind === 'send')
          from.send(output.bytes, server.port, server.address, () => {
            from.close();
          });
    },
  };
}
