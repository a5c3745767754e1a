import type { Call, EdgeClient, Session, SessionRelays } from '@parley/edge-client';
import { machineClockMs } from '../../bench/machine-clock.ts';
import type { Conversation } from './crowd-messages.ts';

/** Of a session without voice; short against the second in which it has to be back. */
const DATAGRAM_EVERY_MS = 100;
const SAMPLES = 320;
const TONE_HZ = 440;
const SAMPLE_RATE = 16_000;
const AMPLITUDE = 8_000;
const DATAGRAM_BYTES = 160;

/** One end of a session or call that something always travels over, so that every gap shows. */
export class LiveConversation {
  readonly #session: Session;
  readonly #about: Pick<Conversation, 'name' | 'peer' | 'kind' | 'role'>;
  readonly #timer: NodeJS.Timeout | undefined;
  #lastAt = machineClockMs();
  #longestGapMs = 0;
  #broken: string | null = null;
  #isOver = false;

  constructor(
    session: Session,
    about: Pick<Conversation, 'name' | 'peer' | 'kind' | 'role'>,
    onPath: (path: string, relays: readonly string[]) => void,
  ) {
    this.#session = session;
    this.#about = about;
    session.onDatagram(() => this.#arrived());
    session.onPath((path, relays) => onPath(path, addressesOf(relays)));
    void session.closed.then(({ by, reason, error }) => {
      clearInterval(this.#timer);
      if (!this.#isOver) this.#broken = `${by}: ${error?.code ?? reason}`;
    });
    // A call has its voice.
    if (about.kind === 'session')
      this.#timer = setInterval(
        () => session.sendDatagram(new Uint8Array(DATAGRAM_BYTES)),
        DATAGRAM_EVERY_MS,
      );
  }

  begin(): void {
    this.#longestGapMs = 0;
    this.#lastAt = machineClockMs();
  }

  /** From now on its end is none of its faults. */
  finish(): void {
    this.#isOver = true;
  }

  report(): Conversation {
    return {
      ...this.#about,
      path: this.#session.path,
      relays: addressesOf(this.#session.relays),
      broken: this.#broken,
      longestGapMs: Math.max(this.#longestGapMs, machineClockMs() - this.#lastAt),
    };
  }

  #arrived(): void {
    const now = machineClockMs();
    this.#longestGapMs = Math.max(this.#longestGapMs, now - this.#lastAt);
    this.#lastAt = now;
  }
}

function addressesOf(relays: SessionRelays | undefined): readonly string[] {
  return [relays?.own, relays?.peer].filter((address) => address !== undefined);
}

/** Says a tone for as long as the call lasts. */
export function talk(call: Call): void {
  let at = 0;
  call.voice.source = {
    read: () => {
      const frame = new Int16Array(SAMPLES);
      for (let sample = 0; sample < SAMPLES; sample += 1, at += 1)
        frame[sample] = AMPLITUDE * Math.sin((2 * Math.PI * TONE_HZ * at) / SAMPLE_RATE);
      return frame;
    },
  };
}

export function peerOf(client: EdgeClient, session: Session): string {
  return client.sessions.peerOf(session)?.userId ?? '';
}
