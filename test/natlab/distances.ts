import { DelayLine, type Impairment } from './delay-line.ts';

export interface DistancesOptions {
  /** Of every packet. */
  readonly everywhere: Impairment;
  /** The same seed loses the same packets. */
  readonly seed: number;
  /** By the first bytes of an address, see {@link sourceOf}, to which place on the internet it belongs. */
  readonly places: Readonly<Record<string, string>>;
}

/** What a place adds to every packet that comes from it or goes to it. */
export interface PlaceImpairment extends Impairment {
  readonly place: string;
}

/**
 * The lines between the places of an internet, one per direction, made when they are first used. What a place adds can be changed
 * at any time. Instants are milliseconds.
 */
export class Distances {
  readonly #options: DistancesOptions;
  readonly #added = new Map<string, Impairment>();
  readonly #lines = new Map<
    string,
    { readonly from: string; readonly to: string; readonly line: DelayLine }
  >();

  constructor(options: DistancesOptions) {
    this.#options = options;
  }

  /** Takes an IP packet that arrived at `now`, or loses it. */
  add(packet: Uint8Array, now: number): void {
    this.#lineOf(packet).add(packet, now);
  }

  change({ place, ...added }: PlaceImpairment): void {
    this.#added.set(place, added);
    for (const { from, to, line } of this.#lines.values()) line.change(this.#between(from, to));
  }

  /** The next packet whose time has come, on any line. */
  takeDue(now: number): Uint8Array | undefined {
    for (const { line } of this.#lines.values()) {
      const packet = line.takeDue(now);
      if (packet !== undefined) return packet;
    }
    return undefined;
  }

  /** When the next packet is due. */
  nextDueAt(): number | undefined {
    let next: number | undefined;
    for (const { line } of this.#lines.values()) {
      const dueAt = line.nextDueAt();
      if (dueAt !== undefined && (next === undefined || dueAt < next)) next = dueAt;
    }
    return next;
  }

  #lineOf(packet: Uint8Array): DelayLine {
    const from = this.#placeOf(sourceOf(packet));
    const to = this.#placeOf(destinationOf(packet));
    const key = `${from}>${to}`;
    const known = this.#lines.get(key);
    if (known !== undefined) return known.line;
    const seed = this.#options.seed + this.#lines.size;
    const line = new DelayLine({ ...this.#between(from, to), seed });
    this.#lines.set(key, { from, to, line });
    return line;
  }

  #placeOf(prefix: string): string {
    return this.#options.places[prefix] ?? '';
  }

  #between(from: string, to: string): Impairment {
    const parts = [this.#options.everywhere, this.#added.get(from), this.#added.get(to)];
    return parts.reduce<Impairment>(
      (sum, part) => ({
        delayMs: sum.delayMs + (part?.delayMs ?? 0),
        loss: 1 - (1 - sum.loss) * (1 - (part?.loss ?? 0)),
      }),
      { delayMs: 0, loss: 0 },
    );
  }
}

/** The first 24 bits of the source in IPv4, 64 in IPv6, in hexadecimal. */
export function sourceOf(packet: Uint8Array): string {
  return isIpv4(packet) ? hexadecimal(packet, 12, 3) : hexadecimal(packet, 8, 8);
}

function destinationOf(packet: Uint8Array): string {
  return isIpv4(packet) ? hexadecimal(packet, 16, 3) : hexadecimal(packet, 24, 8);
}

function isIpv4(packet: Uint8Array): boolean {
  return (packet[0] ?? 0) >> 4 === 4;
}

function hexadecimal(packet: Uint8Array, at: number, length: number): string {
  return Buffer.from(packet.buffer, packet.byteOffset + at, length).toString('hex');
}
