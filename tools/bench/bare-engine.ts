import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import {
  createQuicheEngine,
  deviceCertificate,
  newConnectionId,
  trustAnchor,
  type QuicEngine,
} from '@parley/edge-client/session';
import { cpuTimer } from './cpu-timer.ts';

const MAX_PACKET_BYTES = 1_200;
const IDLE_TIMEOUT_MS = 60_000;
const STREAM_CHUNK_BYTES = 64 * 1024;
/** A check of the clock costs as much as a packet. */
const PACKETS_PER_LOOK = 64;

export interface BareResult {
  /** Datagrams or megabits per second. */
  readonly rate: number;
  /** Microseconds of processor time for one datagram or megabit, both ends together. */
  readonly cpuUsPerUnit: number;
}

/** Two QUIC engines in one process, their packets handed over directly: what the engine alone can do. */
export class BareEngines {
  readonly #client: QuicEngine;
  readonly #server: QuicEngine;
  readonly #packet = Buffer.alloc(MAX_PACKET_BYTES);

  constructor() {
    const [clientKey, serverKey] = [newDeviceKey(), newDeviceKey()];
    this.#client = createQuicheEngine('client', engineOptions(clientKey, serverKey));
    this.#server = createQuicheEngine('server', engineOptions(serverKey, clientKey));
    while (!this.#client.isEstablished() || !this.#server.isEstablished()) this.#exchange();
  }

  /** How fast datagrams arrive that are sent for a while. */
  datagrams(bytes: number, ms: number): BareResult {
    const cpu = cpuTimer();
    const datagram = Buffer.alloc(bytes, 'parley');
    const began = performance.now();
    let received = 0;
    while (performance.now() - began < ms) {
      while (this.#client.sendDatagram(datagram));
      this.#exchange();
      while (this.#server.readDatagram()?.length === bytes) received += 1;
    }
    const perSecond = received / ((performance.now() - began) / 1_000);
    return { rate: perSecond, cpuUsPerUnit: (cpu() * 1_000) / received };
  }

  /** How fast one stream arrives. */
  stream(bytes: number): BareResult {
    const cpu = cpuTimer();
    const chunk = Buffer.alloc(STREAM_CHUNK_BYTES, 'parley');
    const id = this.#client.openStream('unidirectional');
    const began = performance.now();
    let left = bytes;
    let received = 0;
    for (let isOver = false; !isOver;) {
      while (left > 0) {
        const wanted = left >= chunk.length ? chunk : chunk.subarray(0, left);
        const taken = this.#client.writeStream(id, wanted, wanted.length === left);
        if (typeof taken !== 'number') throw new TypeError('the engine gave the stream up');
        left -= taken;
        if (taken < wanted.length) break;
      }
      this.#exchange();
      for (;;) {
        const next = this.#server.readStream(id);
        if (next === undefined || 'abandoned' in next) break;
        received += next.bytes.length;
        isOver = next.fin;
        if (isOver) break;
      }
    }
    if (received !== bytes) throw new TypeError(`${received} bytes of ${bytes} arrived`);
    const megabits = (bytes * 8) / 1e6;
    const rate = megabits / ((performance.now() - began) / 1_000);
    return { rate, cpuUsPerUnit: (cpu() * 1_000) / megabits };
  }

  #exchange(): void {
    this.#hand(this.#client, this.#server);
    this.#hand(this.#server, this.#client);
    for (const engine of [this.#client, this.#server]) if (engine.timeoutMs() === 1) engine.handleTimeout();
  }

  #hand(from: QuicEngine, to: QuicEngine): void {
    for (let count = 0; count < PACKETS_PER_LOOK; count += 1) {
      const length = from.send(this.#packet);
      if (length === 0) return;
      to.recv(this.#packet.subarray(0, length));
    }
  }
}

function newDeviceKey(): KeyObject {
  return generateKeyPairSync('ed25519').privateKey;
}

function engineOptions(own: KeyObject, peer: KeyObject) {
  const { x = '' } = peer.export({ format: 'jwk' });
  return {
    ...deviceCertificate(own),
    trustAnchor: trustAnchor(Buffer.from(x, 'base64url')),
    sourceConnectionId: newConnectionId(),
    idleTimeoutMs: IDLE_TIMEOUT_MS,
  };
}
