import type { CandidateBase } from '../../ice/candidate.ts';
import type { AddressFamily, TransportAddress } from '../../net/transport-address.ts';
import { errorCodeOf, UdpSocket } from '../udp-socket.ts';

export interface ExtraSocketEvents {
  /** The local IP address that the main socket of the family is bound to. */
  bindAddress(family: AddressFamily): string;
  onDatagram(base: CandidateBase, bytes: Uint8Array, from: TransportAddress): void;
  drop(reason: string): void;
}

/** Whoever has sockets opened. */
export interface ExtraSocketOwner {
  /** It could not be opened, or there were too many. */
  baseLost(base: CandidateBase): void;
}

/**
 * Of all paths together: one attempt, and some sockets that became paths. An attempt beside it gets what is left. Many systems
 * give a process 1,024 file descriptors, and the app has others.
 */
const MAX_SOCKETS = 320;
/** One of them may carry a session. */
const BUFFER_BYTES = 1 << 20;

interface ExtraSocket {
  socket: UdpSocket | undefined;
  /** What was sent before it was bound. */
  waiting: { readonly bytes: Uint8Array; readonly to: TransportAddress }[];
}

/** Sockets beside the main one: bases of hard-NAT attempts, one of which may become a path. */
export class ExtraSockets {
  readonly #events: ExtraSocketEvents;
  readonly #sockets = new Map<string, ExtraSocket>();
  #isClosed = false;

  constructor(events: ExtraSocketEvents) {
    this.#events = events;
  }

  get size(): number {
    return this.#sockets.size;
  }

  open(bases: readonly CandidateBase[], owner: ExtraSocketOwner): void {
    for (const base of bases) {
      const isRefused = this.#isClosed || this.#sockets.size >= MAX_SOCKETS;
      if (isRefused) this.#lose(base, owner, 'extra-socket-limit');
      else this.#open(base, owner);
    }
  }

  /** False: not one of these. */
  send(base: CandidateBase, to: TransportAddress, bytes: Uint8Array): boolean {
    const extra = this.#sockets.get(base.id);
    if (extra?.socket !== undefined) extra.socket.send(bytes, to);
    else extra?.waiting.push({ bytes, to });
    return extra !== undefined;
  }

  close(bases: readonly CandidateBase[]): void {
    for (const { id } of bases) {
      void this.#sockets.get(id)?.socket?.close();
      this.#sockets.delete(id);
    }
  }

  async closeAll(): Promise<void> {
    this.#isClosed = true;
    const sockets = [...this.#sockets.values()];
    this.#sockets.clear();
    await Promise.all(sockets.map(async ({ socket }) => socket?.close()));
  }

  #open(base: CandidateBase, owner: ExtraSocketOwner): void {
    const { family } = base;
    const extra: ExtraSocket = { socket: undefined, waiting: [] };
    this.#sockets.set(base.id, extra);
    const listeners = {
      onDatagram: (bytes: Uint8Array, from: TransportAddress) => {
        this.#events.onDatagram(base, bytes, from);
      },
      onError: (error: Error) => {
        this.#events.drop(`send-${errorCodeOf(error)}`);
      },
    };
    const local = { family, address: this.#events.bindAddress(family), port: 0 };
    UdpSocket.open(local, listeners, BUFFER_BYTES).then(
      (socket) => {
        // Closed before it was open.
        if (this.#sockets.get(base.id) !== extra) {
          void socket.close();
          return;
        }
        extra.socket = socket;
        for (const { bytes, to } of extra.waiting) socket.send(bytes, to);
        extra.waiting = [];
      },
      () => {
        if (!this.#sockets.delete(base.id)) return;
        this.#lose(base, owner, 'extra-socket-failed');
      },
    );
  }

  #lose(base: CandidateBase, owner: ExtraSocketOwner, reason: string): void {
    this.#events.drop(reason);
    owner.baseLost(base);
  }
}
