/**
 * STUN Binding and TURN on one port. ChannelData, by far the most frequent, is recognised by its first two bits before
 * anything is parsed; a STUN message is decoded once and goes to one of the two servers by its method.
 */
import type { FiveTuple } from '../../net/five-tuple.ts';
import type { TransportAddress } from '../../net/transport-address.ts';
import { decodeStunMessage } from '../../stun/message.ts';
import { Method } from '../../stun/message-type.ts';
import type { StunServerSocket } from '../../stun/server-addresses.ts';
import type { StunDropReason, StunServer, StunServerStats } from '../../stun/stun-server.ts';
import type { Core } from '../../time/core.ts';
import type { Instant } from '../../time/instant.ts';
import { looksLikeChannelData } from '../channel-data.ts';
import type { TurnServerInput, TurnServerOutput, TurnServerStats } from './turn-server-types.ts';
import type { TurnServer } from './turn-server.ts';

/** Sockets that serve behaviour discovery together (RFC 5780); the primary one serves TURN too. */
export interface ListenerGroup {
  readonly stun: StunServer;
  /** The bound address of each socket of the group; the drivers' tuples carry these very objects. */
  readonly sockets: Readonly<Partial<Record<StunServerSocket, TransportAddress>>>;
}

export type FrontOutput = TurnServerOutput | { readonly kind: 'drop'; readonly reason: StunDropReason };

export interface FrontStats {
  readonly turn: TurnServerStats;
  readonly stun: readonly StunServerStats[];
}

interface Listener {
  readonly group: ListenerGroup;
  readonly socket: StunServerSocket;
}

export class StunTurnFront implements Core<TurnServerInput, FrontOutput> {
  private readonly turn: TurnServer;
  private readonly groups: readonly ListenerGroup[];
  private readonly listeners = new Map<TransportAddress, Listener>();
  private readonly streamStun: StunServer | undefined;

  /** `streamStun` answers over TCP and TLS, at whatever listener: without behaviour discovery, which is about UDP. */
  constructor(turn: TurnServer, groups: readonly ListenerGroup[], streamStun?: StunServer) {
    this.turn = turn;
    this.groups = groups;
    this.streamStun = streamStun;
    for (const group of groups) {
      for (const [socket, address] of Object.entries(group.sockets)) {
        this.listeners.set(address, { group, socket: socket as StunServerSocket });
      }
    }
  }

  handle(input: TurnServerInput, now: Instant): readonly FrontOutput[] {
    if (input.kind !== 'datagram' || looksLikeChannelData(input.bytes)) return this.turn.handle(input, now);
    const { tuple, bytes } = input;
    const listener = tuple.protocol === 'udp' ? this.listeners.get(tuple.server) : this.streamListener(tuple);
    const decoded = decodeStunMessage(bytes);
    // Malformed bytes and unknown listeners are counted by TURN, which has the counters for both.
    if (!decoded.ok || listener === undefined) return this.turn.handle(input, now);
    const { group, socket } = listener;
    const isTurn = decoded.message.method !== Method.BINDING && socket === 'primary';
    if (isTurn) return this.turn.handleMessage(decoded.message, tuple, now);
    return group.stun.handleMessage(decoded.message, tuple.client, socket, now).map((output) => {
      if (output.kind === 'drop') return output;
      const server = group.sockets[output.socket] ?? tuple.server;
      // The very tuple where the answer goes back the way it came: a stream is found by it.
      const isBack = server === tuple.server && output.to === tuple.client;
      const to = isBack ? tuple : { client: output.to, server, protocol: tuple.protocol };
      return { kind: 'send', to, bytes: output.bytes };
    });
  }

  handleTimeout(now: Instant): readonly FrontOutput[] {
    return this.turn.handleTimeout(now);
  }

  nextTimeoutAt(): Instant | undefined {
    return this.turn.nextTimeoutAt();
  }

  holdsAllocation(tuple: FiveTuple): boolean {
    return this.turn.holdsAllocation(tuple);
  }

  stats(): FrontStats {
    const servers = [...this.groups.map(({ stun }) => stun), ...(this.streamStun ? [this.streamStun] : [])];
    return { turn: this.turn.stats(), stun: servers.map((stun) => stun.stats()) };
  }

  private streamListener({ server }: FiveTuple): Listener | undefined {
    if (this.streamStun === undefined) return undefined;
    return { group: { stun: this.streamStun, sockets: { primary: server } }, socket: 'primary' };
  }
}
