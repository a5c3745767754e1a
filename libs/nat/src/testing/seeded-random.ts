/** Chance that a test can repeat: the same seed gives the same numbers (splitmix32). Never use it for secrets. */
export class SeededRandom {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** 0 to 2^32 - 1. */
  nextUint32(): number {
    this.state = (this.state + 0x9e3779b9) >>> 0;
    let mixed = this.state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }

  /** 0 to just below 1. */
  nextFraction(): number {
    return this.nextUint32() / 0x100000000;
  }

  /** An integer from `minimum` to `maximum`, both included. */
  nextInteger(minimum: number, maximum: number): number {
    return minimum + Math.floor(this.nextFraction() * (maximum - minimum + 1));
  }

  nextBytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let index = 0; index < length; index += 1) bytes[index] = this.nextUint32() & 0xff;
    return bytes;
  }
}
