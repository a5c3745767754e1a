import { instant, type Instant } from '@parley/nat';
import type { ClientClock } from '../client/client-clock.ts';
import type { VoiceDatagrams } from '../voice/voice-driver.ts';

/** Two seconds of voice; what comes beyond it is lost. */
const MOST = 100;

/** Keeps the datagrams of a session, and when each came, until there is somebody to hear them. */
export class EarlyDatagrams implements VoiceDatagrams {
  /** Datagrams that there was no room for. */
  lost = 0;
  readonly #session: VoiceDatagrams;
  readonly #kept: { readonly bytes: Uint8Array; readonly at: Instant }[] = [];
  readonly #stopKeeping: () => void;

  constructor(session: VoiceDatagrams, clock: Pick<ClientClock, 'monotonic'>) {
    this.#session = session;
    this.#stopKeeping = session.onDatagram((bytes) => {
      // part of memory that is used again
      if (this.#kept.length < MOST) this.#kept.push({ bytes: bytes.slice(), at: instant(clock.monotonic()) });
      else this.lost += 1;
    });
  }

  sendDatagram(bytes: Uint8Array): boolean {
    return this.#session.sendDatagram(bytes);
  }

  /** The listener hears first what was kept. */
  onDatagram(listener: (bytes: Uint8Array, at?: Instant) => void): () => void {
    this.stop();
    for (const { bytes, at } of this.#kept.splice(0)) listener(bytes, at);
    return this.#session.onDatagram((bytes) => listener(bytes));
  }

  /** Keeps nothing more. */
  stop(): void {
    this.#stopKeeping();
  }
}
