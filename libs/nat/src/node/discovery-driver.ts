import { networkInterfaces } from 'node:os';
import type { NatBehaviourReport } from '../discovery/behaviour-report.ts';
import type { DiscoverySocket } from '../discovery/discovery-probe.ts';
import {
  NatDiscovery,
  type NatDiscoveryDropReason,
  type NatDiscoveryOptions,
  type NatDiscoveryOutput,
} from '../discovery/nat-discovery.ts';
import { NatError } from '../errors.ts';
import { canonicalIpAddress } from '../net/ip-address.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { CoreTimer } from './core-timer.ts';
import { monotonicNow } from './monotonic-clock.ts';
import { nodeCrypto } from './node-crypto.ts';
import { UdpSocket } from './udp-socket.ts';

export interface DiscoverNatOptions extends Pick<NatDiscoveryOptions, 'servers' | 'retransmission'> {
  /** @default the wildcard address of the servers' family */
  readonly bindAddress?: string;
  /** Ends the discovery early: the promise is rejected with `NAT_ABORTED`. */
  readonly signal?: AbortSignal;
}

const DISCOVERY_SOCKETS = ['mapping', 'filtering'] as const satisfies readonly DiscoverySocket[];

export interface DiscoverNatResult extends NatBehaviourReport {
  /** Datagrams that came in and were no answer, by reason. */
  readonly drops: Readonly<Partial<Record<NatDiscoveryDropReason, number>>>;
  /** Probes that the operating system refused to send: with `udp: 'blocked'` a sign that the host has no way out at all. */
  readonly socketErrors: number;
}

/**
 * Finds out how the NAT in front of this host behaves, on two sockets of its own. Takes a few round trips, and up to 9 s
 * where answers stay away.
 *
 * @throws NatError `NAT_INVALID_ARGUMENT`, `NAT_BIND_FAILED`, `NAT_ABORTED`
 */
export async function discoverNatBehaviour(options: DiscoverNatOptions): Promise<DiscoverNatResult> {
  const { servers, signal } = options;
  const [first] = servers;
  if (first === undefined || servers.some(({ family }) => family !== first.family)) {
    throw new NatError('NAT_INVALID_ARGUMENT', 'Discovery needs servers, all of one address family.');
  }
  throwIfAborted(signal);
  const address = options.bindAddress ?? (first.family === 'ipv6' ? '::' : '0.0.0.0');
  const run = new DiscoveryRun(options);
  try {
    await run.open({ family: first.family, address, port: 0 });
    throwIfAborted(signal);
    return await run.finished(signal);
  } finally {
    await run.close();
  }
}

/** The sockets and the timer of one discovery. */
class DiscoveryRun {
  private readonly options: DiscoverNatOptions;
  private readonly sockets = new Map<DiscoverySocket, UdpSocket>();
  private readonly drops: Partial<Record<NatDiscoveryDropReason, number>> = {};
  private readonly timer: CoreTimer;
  private socketErrors = 0;
  private core: NatDiscovery | undefined;
  private onFinished: ((report: NatBehaviourReport) => void) | undefined;

  constructor(options: DiscoverNatOptions) {
    this.options = options;
    this.timer = new CoreTimer((now) => {
      this.perform(this.core?.handleTimeout(now));
    });
  }

  async open(bind: TransportAddress): Promise<void> {
    for (const name of DISCOVERY_SOCKETS) {
      const socket = await UdpSocket.open(bind, {
        onDatagram: (bytes, from) => {
          this.perform(this.core?.handle({ kind: 'datagram', socket: name, bytes, from }, monotonicNow()));
        },
        onError: () => {
          this.socketErrors += 1;
        },
      });
      this.sockets.set(name, socket);
    }
  }

  async finished(signal: AbortSignal | undefined): Promise<DiscoverNatResult> {
    const report = await new Promise<NatBehaviourReport>((resolve, reject) => {
      signal?.addEventListener(
        'abort',
        () => {
          reject(aborted(signal));
        },
        { once: true },
      );
      this.onFinished = resolve;
      this.start();
    });
    return { ...report, drops: { ...this.drops }, socketErrors: this.socketErrors };
  }

  async close(): Promise<void> {
    this.core = undefined;
    this.timer.armAt(undefined);
    await Promise.all([...this.sockets.values()].map((socket) => socket.close()));
  }

  private start(): void {
    const { servers, retransmission } = this.options;
    this.core = new NatDiscovery({
      crypto: nodeCrypto,
      servers,
      localAddresses: localAddresses(),
      localPorts: { mapping: this.portOf('mapping'), filtering: this.portOf('filtering') },
      ...(retransmission === undefined ? {} : { retransmission }),
    });
    this.perform(this.core.handle({ kind: 'start' }, monotonicNow()));
  }

  /** Nothing is to be done before the start and after the end, when datagrams may still come in. */
  private perform(outputs: readonly NatDiscoveryOutput[] = []): void {
    for (const output of outputs) {
      if (output.kind === 'send') this.sockets.get(output.socket)?.send(output.bytes, output.to);
      if (output.kind === 'drop') this.drops[output.reason] = (this.drops[output.reason] ?? 0) + 1;
      if (output.kind === 'finished') this.onFinished?.(output.report);
    }
    this.timer.armAt(this.core?.nextTimeoutAt());
  }

  private portOf(socket: DiscoverySocket): number {
    return this.sockets.get(socket)?.localAddress.port ?? 0;
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw aborted(signal);
}

function aborted(signal: AbortSignal): NatError {
  return new NatError('NAT_ABORTED', 'The discovery was ended by its caller.', { cause: signal.reason });
}

function localAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((entries) =>
    (entries ?? []).flatMap(({ address }) => canonicalIpAddress(address) ?? []),
  );
}
