import type { ChildProcess } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { LabError } from './errors.ts';
import type { Lab } from './lab.ts';

const PROGRAM = fileURLToPath(new URL('udp-prober.mjs', import.meta.url));

/** How long a packet may take on a busy machine, in milliseconds; links have no delay of their own. */
const DEADLINE_MS = 10_000;

/** An IPv4 transport address. */
export interface ProbeAddress {
  readonly address: string;
  readonly port: number;
}

/** A datagram as its receiver saw it. */
export interface ReceivedProbe extends ProbeAddress {
  readonly text: string;
}

type ProberEvent = { listening: number } | { received: ReceivedProbe } | { error: string };

/** A UDP socket on a machine of the lab, in a process of its own, so that only the kernel is between two of them. */
export class UdpProber {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: Interface) {
    this.#child = child;
    this.#lines = lines[Symbol.asyncIterator]();
  }

  /** Binds `local` on `host`; with a `peer`, refusals by routers are reported as {@link refusal}. */
  static async open(lab: Lab, host: string, local: ProbeAddress, peer?: ProbeAddress): Promise<UdpProber> {
    const args = [local, ...(peer === undefined ? [] : [peer])].flatMap(({ address, port }) => [
      address,
      String(port),
    ]);
    const child = lab.spawn(host, process.execPath, [PROGRAM, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    if (child.stdout === null) throw new LabError('LAB_COMMAND_FAILED', 'the prober has no output');
    const prober = new UdpProber(child, createInterface({ input: child.stdout }));
    const event = await prober.#next();
    if (!('listening' in event)) throw unexpected(event);
    return prober;
  }

  send(to: ProbeAddress, text: string): void {
    this.#child.stdin?.write(`${JSON.stringify({ ...to, text })}\n`);
  }

  /** The next datagram that arrives. */
  async received(): Promise<ReceivedProbe> {
    const event = await this.#next();
    if (!('received' in event)) throw unexpected(event);
    return event.received;
  }

  /** The code of the next error that the kernel reports. */
  async refusal(): Promise<string> {
    const event = await this.#next();
    if (!('error' in event)) throw unexpected(event);
    return event.error;
  }

  async #next(): Promise<ProberEvent> {
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    const expiry = new Promise<never>((_, reject) => {
      deadline.addEventListener('abort', () =>
        reject(new LabError('LAB_COMMAND_FAILED', `nothing arrived within ${DEADLINE_MS} ms`)),
      );
    });
    const line = await Promise.race([this.#lines.next(), expiry]);
    if (line.done === true) throw new LabError('LAB_COMMAND_FAILED', 'the prober ended');
    return JSON.parse(line.value) as ProberEvent;
  }
}

function unexpected(event: ProberEvent): LabError {
  return new LabError('LAB_COMMAND_FAILED', `unexpected report ${JSON.stringify(event)}`);
}
