/**
 * NAT behaviour discovery (RFC 5780 section 4), with what several servers of one address each can tell where no server has
 * two. The stages, each over when all of its probes are:
 *
 *     servers      mapping socket -> every server
 *     alternates   mapping socket -> the other address, the other port, both, of the first server that has any
 *     filter-base  filtering socket -> that server: opens its filter towards this one address and port only
 *     filters      the server answers from elsewhere (CHANGE-REQUEST); both sockets send to each other's reflexive address
 *
 * The mapping socket makes all of its mappings before the other one makes any, so that the ports can be read as a sequence.
 */
import type { NatCrypto } from '../crypto/crypto.port.ts';
import { sameTransportAddress, type TransportAddress } from '../net/transport-address.ts';
import type { RetransmissionParameters } from '../stun/client-transaction.ts';
import { Method } from '../stun/message-type.ts';
import { decodeStunMessage, type StunDecodeReason } from '../stun/message.ts';
import { transactionIdKey } from '../stun/transaction-id.ts';
import type { Core } from '../time/core.ts';
import type { Instant } from '../time/instant.ts';
import { buildReport, firstServerWithAlternate, type NatBehaviourReport } from './behaviour-report.ts';
import { DiscoveryProbe, type DiscoverySocket, type ProbeTarget } from './discovery-probe.ts';

export interface NatDiscoveryOptions {
  readonly crypto: NatCrypto;
  /** Of one address family, at least one; the first ones matter most. */
  readonly servers: readonly TransportAddress[];
  /** IP addresses of this host: a reflexive address among them means that nothing translates. */
  readonly localAddresses: readonly string[];
  readonly localPorts: Readonly<Record<DiscoverySocket, number>>;
  /** @default DISCOVERY_RETRANSMISSION */
  readonly retransmission?: RetransmissionParameters;
}

/** Gives up after 2.2 s: the absence of an answer is a result here, so every filtering test may take that long. */
export const DISCOVERY_RETRANSMISSION: RetransmissionParameters = { rto: 200, rc: 4, rm: 4 };

export type NatDiscoveryInput =
  | { readonly kind: 'start' }
  | {
      readonly kind: 'datagram';
      readonly socket: DiscoverySocket;
      readonly from: TransportAddress;
      readonly bytes: Uint8Array;
    };

export type NatDiscoveryDropReason =
  StunDecodeReason | 'unknown-transaction' | 'unexpected-source' | 'unexpected-class';

export type NatDiscoveryOutput =
  | {
      readonly kind: 'send';
      readonly socket: DiscoverySocket;
      readonly to: TransportAddress;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'finished'; readonly report: NatBehaviourReport }
  | { readonly kind: 'drop'; readonly reason: NatDiscoveryDropReason };

type Stage = 'servers' | 'alternates' | 'filter-base' | 'filters' | 'finished';

const NEXT_STAGE: Readonly<Record<Stage, Stage>> = {
  servers: 'alternates',
  alternates: 'filter-base',
  'filter-base': 'filters',
  filters: 'finished',
  finished: 'finished',
};

export class NatDiscovery implements Core<NatDiscoveryInput, NatDiscoveryOutput> {
  private readonly options: NatDiscoveryOptions;
  private readonly retransmission: RetransmissionParameters;
  /** In the order in which they were sent. */
  private readonly probes: DiscoveryProbe[] = [];
  private stage: Stage = 'servers';
  private result: NatBehaviourReport | undefined;

  constructor(options: NatDiscoveryOptions) {
    this.options = options;
    this.retransmission = options.retransmission ?? DISCOVERY_RETRANSMISSION;
  }

  /** The result, once there is one. */
  get report(): NatBehaviourReport | undefined {
    return this.result;
  }

  handle(input: NatDiscoveryInput, now: Instant): readonly NatDiscoveryOutput[] {
    if (input.kind === 'start') {
      const targets = this.options.servers.map((server) => observe('mapping', server));
      return [...this.send(targets, now), ...this.advance(now)];
    }
    const refusal = this.receive(input.socket, input.from, input.bytes, now);
    return refusal === undefined ? this.advance(now) : [{ kind: 'drop', reason: refusal }];
  }

  handleTimeout(now: Instant): readonly NatDiscoveryOutput[] {
    const outputs: NatDiscoveryOutput[] = [];
    for (const probe of this.probes) {
      for (const output of probe.transaction.handleTimeout(now)) {
        if (output.kind === 'timed-out') {
          probe.end({ kind: 'no-answer' });
        } else {
          outputs.push({ ...addressing(probe.target), bytes: output.bytes });
        }
      }
    }
    return [...outputs, ...this.advance(now)];
  }

  nextTimeoutAt(): Instant | undefined {
    let earliest: Instant | undefined;
    for (const { transaction } of this.probes) {
      const at = transaction.nextTimeoutAt();
      if (at !== undefined && (earliest === undefined || at < earliest)) earliest = at;
    }
    return earliest;
  }

  private receive(
    socket: DiscoverySocket,
    from: TransportAddress,
    bytes: Uint8Array,
    now: Instant,
  ): NatDiscoveryDropReason | undefined {
    const decoded = decodeStunMessage(bytes);
    if (!decoded.ok) return decoded.reason;
    const { message } = decoded;
    const key = transactionIdKey(message.transactionId);
    const probe = this.probes.find(
      ({ transaction, outcome }) => outcome === undefined && transaction.key === key,
    );
    if (probe === undefined || message.method !== Method.BINDING) return 'unknown-transaction';
    if (
      message.messageClass === 'request' &&
      probe.target.purpose === 'hairpin' &&
      socket !== probe.target.socket
    ) {
      probe.end({ kind: 'came-back' });
      return undefined;
    }
    if (message.messageClass === 'request' || message.messageClass === 'indication')
      return 'unexpected-class';
    const mustComeFromDestination = probe.target.purpose === 'observe';
    if (
      socket !== probe.target.socket ||
      (mustComeFromDestination && !sameTransportAddress(from, probe.target.destination))
    ) {
      return 'unexpected-source';
    }
    probe.endWithResponse(message, from, now);
    return undefined;
  }

  /** Goes through the stages until one has something to wait for. */
  private advance(now: Instant): readonly NatDiscoveryOutput[] {
    const outputs: NatDiscoveryOutput[] = [];
    while (this.stage !== 'finished' && this.probes.every(({ outcome }) => outcome !== undefined)) {
      this.stage = NEXT_STAGE[this.stage];
      outputs.push(...this.send(this.targetsOf(this.stage), now));
      if (this.stage === 'finished') outputs.push(this.finish());
    }
    return outputs;
  }

  private targetsOf(stage: Stage): readonly ProbeTarget[] {
    const base = firstServerWithAlternate(this.probes);
    if (base === undefined || stage === 'servers' || stage === 'finished') return [];
    const { server, other } = base;
    switch (stage) {
      case 'alternates':
        return other === undefined ? [] : alternatesOf(server, other).map((to) => observe('mapping', to));
      case 'filter-base':
        return [observe('filtering', server)];
      case 'filters':
        return [...filterTargets(server, other), ...this.hairpinTargets()];
    }
  }

  private hairpinTargets(): readonly ProbeTarget[] {
    const mapping = this.reflexiveOf('mapping');
    const filtering = this.reflexiveOf('filtering');
    if (mapping === undefined || filtering === undefined) return [];
    if (this.options.localAddresses.includes(mapping.address)) return [];
    return [
      { purpose: 'hairpin', socket: 'filtering', destination: mapping },
      { purpose: 'hairpin', socket: 'mapping', destination: filtering },
    ];
  }

  private reflexiveOf(socket: DiscoverySocket): TransportAddress | undefined {
    for (const { target, outcome } of this.probes) {
      if (target.socket === socket && outcome?.kind === 'answered') return outcome.reflexive;
    }
    return undefined;
  }

  private send(targets: readonly ProbeTarget[], now: Instant): readonly NatDiscoveryOutput[] {
    return targets.flatMap((target) => {
      const probe = new DiscoveryProbe(target, this.options.crypto, this.retransmission, now);
      this.probes.push(probe);
      return probe.transaction
        .start(now)
        .flatMap((output) =>
          output.kind === 'send' ? [{ ...addressing(target), bytes: output.bytes }] : [],
        );
    });
  }

  private finish(): NatDiscoveryOutput {
    this.result = buildReport(this.probes, this.options.localAddresses, this.options.localPorts.mapping);
    return { kind: 'finished', report: this.result };
  }
}

function observe(socket: DiscoverySocket, destination: TransportAddress): ProbeTarget {
  return { purpose: 'observe', socket, destination };
}

function addressing({ socket, destination }: ProbeTarget) {
  return { kind: 'send', socket, to: destination } as const;
}

/** RFC 5780 section 4.3: the other address with the first port, then the rest; one destination where only one part differs. */
function alternatesOf(server: TransportAddress, other: TransportAddress): readonly TransportAddress[] {
  if (other.address === server.address || other.port === server.port) return [other];
  return [{ ...server, address: other.address }, { ...server, port: other.port }, other];
}

/** RFC 5780 section 4.4, as far as the server has an other address and an other port. */
function filterTargets(
  server: TransportAddress,
  other: TransportAddress | undefined,
): readonly ProbeTarget[] {
  if (other === undefined) return [];
  const hasOtherAddress = other.address !== server.address;
  const hasOtherPort = other.port !== server.port;
  const target = { socket: 'filtering', destination: server } as const;
  const targets: ProbeTarget[] = [];
  if (hasOtherAddress) {
    targets.push({
      ...target,
      purpose: 'change-address',
      change: { changeAddress: true, changePort: hasOtherPort },
    });
  }
  if (hasOtherPort) {
    targets.push({ ...target, purpose: 'change-port', change: { changeAddress: false, changePort: true } });
  }
  return targets;
}
