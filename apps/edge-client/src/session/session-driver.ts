import { isForConnection } from './connection-id.ts';
import type { DatagramPath } from './datagram-path.ts';
import type { QuicEngine } from './quic-engine.ts';
import { MAX_PACKETS_PER_TURN, MAX_PACKETS_UNREAD, MAX_UDP_PAYLOAD_BYTES } from './session-limits.ts';

/** What the driver tells the session, always from its own turn of the event loop. */
export interface DriverEvents {
  /** A chance to move bytes between app and engine; true when there is more to do in another turn. */
  exchange(): boolean;
  /** The handshake is done; comes once, before the first `exchange`. */
  established(): void;
  /** The connection is over; comes once. */
  ended(): void;
}

export interface DriverOptions {
  readonly engine: QuicEngine;
  readonly path: DatagramPath;
  readonly events: DriverEvents;
  /** Ids that packets for this session carry, see `connectionIdOf`. */
  readonly connectionIds: readonly string[];
  readonly keepAliveMs: number;
  /** How long the handshake took through signalling: it is QUIC's first measure of the round trip. 0: unknown. */
  readonly signallingMs: number;
}

const SEND_SLAB_BYTES = 64 * 1024;

/** The first packets on a new path are repeated by us: QUIC's own timer may be set by a slow answer, not by the path. */
const OPENING_PACKETS = 3;
const OPENING_REPEATS = 6;
const OPENING_INTERVAL_MS = 200;

/** Pings that bring the smoothed round trip down from the time of signalling: each takes an eighth off (RFC 9002 section 5.3). */
const SETTLE_ABOVE_MS = 250;
const SETTLE_TARGET_MS = 50;
const SETTLE_INTERVAL_MS = 20;
const SETTLE_DECAY = Math.log(8 / 7);

/** After our close, how long late packets are answered with it again, and how often. */
const MAX_CLOSING_PACKETS = 4;
const LINGER_MS = 1_000;
const LINGER_ANSWERS = 4;

/** Moves packets between one engine and one path, with one timer and a bounded amount of work per turn of the event loop. */
export class SessionDriver {
  /** Packets that were not for this session, and times that the path took nothing. */
  readonly counters = { foreign: 0, blocked: 0 };
  private readonly options: DriverOptions;
  private readonly ids: readonly Uint8Array[];
  private turn: NodeJS.Immediate | undefined;
  private timer: NodeJS.Timeout | undefined;
  private timerAt = 0;
  private slab: Uint8Array = Buffer.allocUnsafeSlow(SEND_SLAB_BYTES);
  private slabUsed = 0;
  private held: Uint8Array | undefined;
  private lastPacket: Uint8Array | undefined;
  private asks = true;
  private opening: Uint8Array[] | undefined = [];
  private openingRepeats = 0;
  private openingAt = Infinity;
  private settlePings = 0;
  private settleAt = Infinity;
  private keepAliveAt: number;
  private heard = false;
  private isEstablished = false;
  private packetsSinceExchange = 0;
  private state: 'running' | 'lingering' | 'ended' = 'running';
  private lingerAnswers = 0;

  constructor(options: DriverOptions) {
    this.options = options;
    this.ids = options.connectionIds.map((key) => Buffer.from(key, 'hex'));
    this.keepAliveAt = performance.now() + options.keepAliveMs;
    const { signallingMs } = options;
    if (signallingMs > SETTLE_ABOVE_MS) {
      this.settlePings = Math.ceil(Math.log(signallingMs / SETTLE_TARGET_MS) / SETTLE_DECAY);
    }
    options.path.onData((packet) => this.receive(packet));
    this.schedule();
  }

  /** The path can be used again, or the app has given the engine something to send that asks for an answer. */
  wake(asks: boolean): void {
    this.asks ||= asks;
    this.schedule();
  }

  /**
   * Ends the connection with a code of the application. What waits goes first, and nothing may come in between: quiche would
   * go on with handshake bytes that it still has to send or acknowledge instead of ever saying good-bye.
   */
  close(code: number, reason: string): void {
    if (this.state !== 'running') return;
    this.pump();
    this.options.engine.close(true, code, reason);
    this.held = undefined;
    this.pump(MAX_CLOSING_PACKETS);
    this.schedule();
  }

  private schedule(): void {
    if (this.state === 'ended' || this.turn !== undefined) return;
    this.turn = setImmediate(() => {
      this.turn = undefined;
      this.runTurn();
    });
  }

  private receive(packet: Uint8Array): void {
    if (this.state === 'ended') return;
    if (!isForConnection(packet, this.ids)) {
      this.counters.foreign += 1;
      return;
    }
    if (this.state === 'lingering') {
      this.answerLatePacket();
      return;
    }
    this.heard = true;
    if (this.opening !== undefined) this.pathAnswers();
    this.options.engine.recv(packet);
    this.packetsSinceExchange += 1;
    if (this.packetsSinceExchange >= MAX_PACKETS_UNREAD) this.exchange();
    this.schedule();
  }

  /** Lets the session take what arrived; true when there is more to do in another turn. */
  private exchange(): boolean {
    const { engine, events } = this.options;
    this.packetsSinceExchange = 0;
    if (!this.isEstablished) {
      if (!engine.isEstablished()) return false;
      this.isEstablished = true;
      events.established();
    }
    return events.exchange();
  }

  private runTurn(): void {
    const { engine } = this.options;
    if (this.state === 'lingering') return;
    const hasMoreToExchange = this.exchange();
    const isOver = engine.closure() !== undefined || engine.isDraining() || engine.isClosed();
    const hasMoreToSend = this.pump(isOver ? MAX_CLOSING_PACKETS : MAX_PACKETS_PER_TURN);
    if (isOver) this.wrapUp();
    else {
      if (hasMoreToExchange || hasMoreToSend) this.schedule();
      this.arm();
    }
  }

  /** Sends what the engine has, up to the limit of one turn; true when there is more. */
  private pump(limit = MAX_PACKETS_PER_TURN): boolean {
    const { engine, path } = this.options;
    if (this.held !== undefined) {
      if (!path.send(this.held, true)) return false;
      this.sent(this.held);
      this.held = undefined;
    }
    for (let count = 0; count < limit; count += 1) {
      if (this.slab.length - this.slabUsed < MAX_UDP_PAYLOAD_BYTES) {
        // the path may still hold the packets of the old one
        this.slab = Buffer.allocUnsafeSlow(SEND_SLAB_BYTES);
        this.slabUsed = 0;
      }
      const room = this.slab.subarray(this.slabUsed, this.slabUsed + MAX_UDP_PAYLOAD_BYTES);
      const length = engine.send(room);
      if (length === 0) {
        this.asks = false;
        return false;
      }
      const packet = length === room.length ? room : room.subarray(0, length);
      this.slabUsed += length;
      if (!path.send(packet, this.asks)) {
        this.counters.blocked += 1;
        this.held = packet;
        return false;
      }
      this.sent(packet);
    }
    return true;
  }

  private sent(packet: Uint8Array): void {
    this.lastPacket = packet;
    if (this.opening === undefined || this.opening.length >= OPENING_PACKETS) return;
    if (this.opening.length === 0) this.openingAt = performance.now() + OPENING_INTERVAL_MS;
    this.opening.push(packet);
  }

  /** The first packet came over the path: the timers of QUIC can be relied on once the round trip has settled. */
  private pathAnswers(): void {
    this.opening = undefined;
    this.openingAt = Infinity;
    if (this.settlePings > 0) this.settleAt = performance.now() + SETTLE_INTERVAL_MS;
  }

  private arm(): void {
    const now = performance.now();
    const engineAt = now + (this.options.engine.timeoutMs() ?? Infinity);
    const wanted = Math.min(engineAt, this.keepAliveAt, this.openingAt, this.settleAt);
    // a timer that fires too early only looks again, which costs less than moving it with every packet
    if (this.timer !== undefined && this.timerAt <= wanted) return;
    clearTimeout(this.timer);
    this.timerAt = wanted;
    this.timer = setTimeout(() => this.onTimer(), Math.max(0, wanted - now));
  }

  private onTimer(): void {
    this.timer = undefined;
    const { engine, keepAliveMs } = this.options;
    const now = performance.now();
    engine.handleTimeout();
    if (now >= this.keepAliveAt) {
      if (!this.heard && this.isEstablished) this.ping();
      this.heard = false;
      this.keepAliveAt = now + keepAliveMs;
    }
    if (now >= this.openingAt) this.repeatOpening(now);
    if (now >= this.settleAt) {
      this.settlePings -= 1;
      this.settleAt = this.settlePings > 0 ? now + SETTLE_INTERVAL_MS : Infinity;
      this.ping();
    }
    this.schedule();
  }

  private ping(): void {
    this.options.engine.ping();
    this.asks = true;
  }

  private repeatOpening(now: number): void {
    for (const packet of this.opening ?? []) this.options.path.send(packet, true);
    this.openingRepeats += 1;
    const isLast = this.openingRepeats >= OPENING_REPEATS;
    this.openingAt = isLast ? Infinity : now + OPENING_INTERVAL_MS * 2 ** this.openingRepeats;
  }

  private wrapUp(): void {
    clearTimeout(this.timer);
    this.lastPacket = this.held ?? this.lastPacket;
    const weClosed = this.options.engine.closure()?.by === 'local' && this.lastPacket !== undefined;
    this.state = weClosed ? 'lingering' : 'ended';
    this.options.events.ended();
    if (weClosed) this.timer = setTimeout(() => this.dispose(), LINGER_MS).unref();
    else this.dispose();
  }

  /** The other end has not seen our close yet: a packet may be repeated as it is. */
  private answerLatePacket(): void {
    if (this.lastPacket === undefined || this.lingerAnswers >= LINGER_ANSWERS) return;
    this.lingerAnswers += 1;
    this.options.path.send(this.lastPacket, false);
  }

  private dispose(): void {
    this.state = 'ended';
    clearTimeout(this.timer);
    clearImmediate(this.turn);
    this.options.path.close();
  }
}
