/**
 * What a client knows about the NAT in front of its session socket before any call. The stages, each over when all of its
 * questions are answered or given up:
 *
 *     servers      session socket -> every server
 *     alternate    session socket -> another port of the first server that has one (RFC 5780 OTHER-ADDRESS)
 *     allocation   throw-away sockets -> that server, one right after the other: five where the mapping moves, else one
 *     filter       the server answers the first of them from its other port (CHANGE-REQUEST)
 *
 * Nothing is ever sent to an address that was not named as a server: of OTHER-ADDRESS only the port is believed.
 */
import type { NatCrypto } from '../crypto/crypto.port.ts';
import type { NatReport } from '../ice/remote-network.ts';
import { sameTransportAddress, type TransportAddress } from '../net/transport-address.ts';
import { MappedAddress, OtherAddress, XorMappedAddress } from '../stun/attributes/address.ts';
import { ChangeRequest } from '../stun/attributes/behaviour.ts';
import { ClientTransaction, type RetransmissionParameters } from '../stun/client-transaction.ts';
import type { StunMessage } from '../stun/message.ts';
import { StunMessageBuilder } from '../stun/message-builder.ts';
import { Method } from '../stun/message-type.ts';
import { newTransactionId, transactionIdKey } from '../stun/transaction-id.ts';
import type { Core } from '../time/core.ts';
import { earliest, type Instant } from '../time/instant.ts';
import { classifyMapping, type MappingObservation } from './behaviour-report.ts';
import { classifyPortSequence, type PortSample } from './port-allocation.ts';

/** The session socket, or a throw-away socket by its number; every number is used once. */
export type SamplingSocket = 'session' | number;

export type NatSamplingInput =
  | {
      readonly kind: 'start';
      /** IPv4, the first ones matter most. */
      readonly servers: readonly TransportAddress[];
      readonly sessionPort: number;
      /** IP addresses of this host: a reflexive address among them means that nothing translates. */
      readonly localAddresses: readonly string[];
    }
  /** The external port of a new mapping now; ends with `sampled`. */
  | { readonly kind: 'sample'; readonly sample: number }
  | {
      readonly kind: 'response';
      readonly message: StunMessage;
      readonly from: TransportAddress;
      readonly localPort: number;
    };

export type NatSamplingOutput =
  | {
      readonly kind: 'send';
      readonly socket: SamplingSocket;
      readonly to: TransportAddress;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'close-socket'; readonly socket: number }
  /** More is known than before; `isComplete` with the last stage. */
  | { readonly kind: 'report'; readonly nat: NatReport; readonly isComplete: boolean }
  | { readonly kind: 'sampled'; readonly sample: number; readonly address: TransportAddress | undefined };

/** Given up after 1.4 s. */
const OBSERVE: RetransmissionParameters = { rto: 200, rc: 3, rm: 4 };
/** Silence is an answer here: given up after 0.9 s. */
const FILTER: RetransmissionParameters = { rto: 150, rc: 3, rm: 3 };
const ALLOCATION_SAMPLES = 5;

type Stage = 'idle' | 'servers' | 'alternate' | 'allocation' | 'filter' | 'complete';

interface Question {
  readonly socket: SamplingSocket;
  readonly to: TransportAddress;
  readonly transaction: ClientTransaction;
  readonly isFilterTest: boolean;
  /** Set for a `sample` input. */
  readonly sample: number | undefined;
  isOver: boolean;
  /** Refusals are answers, too. */
  isAnswered: boolean;
  reflexive: TransportAddress | undefined;
  localPort: number | undefined;
  other: TransportAddress | undefined;
  /** The answer came from elsewhere, as it was asked to. */
  cameFromOtherPort: boolean;
}

export class NatSampling implements Core<NatSamplingInput, NatSamplingOutput> {
  readonly #crypto: NatCrypto;
  #stage: Stage = 'idle';
  #questions: Question[] = [];
  #samples: Question[] = [];
  #socketCount = 0;
  #servers: readonly TransportAddress[] = [];
  #sessionPort = 0;
  #localAddresses: readonly string[] = [];
  #nat: NatReport | undefined;
  /** Of a `sample` since the start: newer than those of the stages. */
  #sampledPort: number | undefined;

  constructor(crypto: NatCrypto) {
    this.#crypto = crypto;
  }

  /** What is known so far. */
  get nat(): NatReport | undefined {
    return this.#nat;
  }

  get isComplete(): boolean {
    return this.#stage === 'complete';
  }

  owns(transactionId: Uint8Array): boolean {
    return this.#find(transactionId) !== undefined;
  }

  handle(input: NatSamplingInput, now: Instant): readonly NatSamplingOutput[] {
    switch (input.kind) {
      case 'start':
        return this.#start(input, now);
      case 'sample':
        return this.#sample(input.sample, now);
      case 'response': {
        const question = this.#find(input.message.transactionId);
        if (question === undefined) return [];
        receive(question, input);
        return [...this.#finishSamples(), ...this.#advance(now)];
      }
    }
  }

  handleTimeout(now: Instant): readonly NatSamplingOutput[] {
    const outputs: NatSamplingOutput[] = [];
    for (const question of [...this.#questions, ...this.#samples]) {
      if (question.isOver) continue;
      for (const output of question.transaction.handleTimeout(now)) {
        if (output.kind === 'timed-out') question.isOver = true;
        else outputs.push({ kind: 'send', socket: question.socket, to: question.to, bytes: output.bytes });
      }
    }
    return [...outputs, ...this.#finishSamples(), ...this.#advance(now)];
  }

  nextTimeoutAt(): Instant | undefined {
    const open = [...this.#questions, ...this.#samples].filter(({ isOver }) => !isOver);
    return earliest(...open.map(({ transaction }) => transaction.nextTimeoutAt()));
  }

  #start(
    { servers, sessionPort, localAddresses }: Extract<NatSamplingInput, { kind: 'start' }>,
    now: Instant,
  ): readonly NatSamplingOutput[] {
    const closed = this.#closeThrowAways(this.#questions);
    this.#questions = [];
    this.#sampledPort = undefined;
    this.#servers = servers;
    this.#sessionPort = sessionPort;
    this.#localAddresses = localAddresses;
    this.#stage = 'servers';
    return [
      ...closed,
      ...servers.flatMap((server) => this.#ask('session', server, now)),
      ...this.#advance(now),
    ];
  }

  #sample(sample: number, now: Instant): readonly NatSamplingOutput[] {
    const server = this.#questions.find(({ reflexive }) => reflexive !== undefined)?.to ?? this.#servers[0];
    if (server === undefined) return [{ kind: 'sampled', sample, address: undefined }];
    return this.#ask(this.#newSocket(), server, now, { sample });
  }

  #ask(
    socket: SamplingSocket,
    to: TransportAddress,
    now: Instant,
    { isFilterTest = false, sample }: { readonly isFilterTest?: boolean; readonly sample?: number } = {},
  ): readonly NatSamplingOutput[] {
    const builder = new StunMessageBuilder('request', Method.BINDING, newTransactionId(this.#crypto));
    if (isFilterTest) builder.add(ChangeRequest, { changeAddress: false, changePort: true });
    const bytes = builder.addFingerprint(this.#crypto).toBytes();
    const transaction = new ClientTransaction(bytes, isFilterTest ? FILTER : OBSERVE);
    const question: Question = {
      socket,
      to,
      transaction,
      isFilterTest,
      sample,
      isOver: false,
      isAnswered: false,
      reflexive: undefined,
      localPort: undefined,
      other: undefined,
      cameFromOtherPort: false,
    };
    (sample === undefined ? this.#questions : this.#samples).push(question);
    transaction.start(now);
    return [{ kind: 'send', socket, to, bytes }];
  }

  #newSocket(): number {
    this.#socketCount += 1;
    return this.#socketCount;
  }

  #find(transactionId: Uint8Array): Question | undefined {
    const key = transactionIdKey(transactionId);
    const isAsked = ({ transaction, isOver }: Question): boolean => !isOver && transaction.key === key;
    return this.#questions.find(isAsked) ?? this.#samples.find(isAsked);
  }

  #finishSamples(): readonly NatSamplingOutput[] {
    const over = this.#samples.filter(({ isOver }) => isOver);
    if (over.length === 0) return [];
    this.#samples = this.#samples.filter(({ isOver }) => !isOver);
    return over.flatMap(({ sample = 0, reflexive, socket }) => {
      this.#sampledPort = reflexive?.port ?? this.#sampledPort;
      if (reflexive !== undefined && this.#nat?.portAllocation === 'sequential')
        this.#nat = { ...this.#nat, latestPort: reflexive.port };
      const sampled: NatSamplingOutput = { kind: 'sampled', sample, address: reflexive };
      return socket === 'session' ? [sampled] : [sampled, { kind: 'close-socket', socket } as const];
    });
  }

  /** Goes through the stages until one has something to wait for. */
  #advance(now: Instant): readonly NatSamplingOutput[] {
    const outputs: NatSamplingOutput[] = [];
    while (this.#isRunning() && this.#questions.every(({ isOver }) => isOver)) {
      outputs.push(...this.#nextStage(now));
    }
    return outputs;
  }

  #isRunning(): boolean {
    return this.#stage !== 'idle' && this.#stage !== 'complete';
  }

  #nextStage(now: Instant): readonly NatSamplingOutput[] {
    switch (this.#stage) {
      case 'servers': {
        this.#stage = 'alternate';
        const alternate = this.#alternate();
        return alternate === undefined ? [] : this.#ask('session', alternate, now);
      }
      case 'alternate': {
        const report = this.#report();
        this.#stage = 'allocation';
        const server = this.#helper();
        if (server === undefined) return [report];
        const count = this.#isMoving() ? ALLOCATION_SAMPLES : 1;
        const asked = Array.from({ length: count }, () => this.#ask(this.#newSocket(), server, now));
        return [report, ...asked.flat()];
      }
      case 'allocation': {
        const report = this.#report();
        this.#stage = 'filter';
        const base = this.#throwAways().find(({ reflexive }) => reflexive !== undefined);
        const canTest = base !== undefined && this.#alternate() !== undefined;
        return [report, ...(canTest ? this.#ask(base.socket, base.to, now, { isFilterTest: true }) : [])];
      }
      default:
        this.#stage = 'complete';
        return [this.#report(), ...this.#closeThrowAways(this.#questions)];
    }
  }

  /** A server that answered, one with a second port before others. */
  #helper(): TransportAddress | undefined {
    const answered = this.#questions.filter(
      ({ socket, reflexive }) => socket === 'session' && reflexive !== undefined,
    );
    return (answered.find(hasOtherPort) ?? answered[0])?.to;
  }

  #alternate(): TransportAddress | undefined {
    const question = this.#questions.find(
      (candidate) => candidate.socket === 'session' && hasOtherPort(candidate),
    );
    return question?.other === undefined ? undefined : { ...question.to, port: question.other.port };
  }

  #throwAways(): readonly Question[] {
    return this.#questions.filter(({ socket, isFilterTest }) => socket !== 'session' && !isFilterTest);
  }

  #observations(): readonly MappingObservation[] {
    return this.#questions.flatMap(({ socket, to, reflexive }) =>
      socket === 'session' && reflexive !== undefined ? [{ destination: to, reflexive }] : [],
    );
  }

  #isMoving(): boolean {
    const { dependsOnAddress, dependsOnPort } = classifyMapping(this.#observations(), this.#sessionPort);
    return dependsOnAddress === true || dependsOnPort === true;
  }

  #report(): NatSamplingOutput {
    this.#nat = this.#describe();
    return { kind: 'report', nat: this.#nat, isComplete: this.#stage === 'complete' };
  }

  #describe(): NatReport {
    const observations = this.#observations();
    const [first] = observations;
    if (first === undefined) return { mapping: 'unknown', filtering: 'unknown', portAllocation: 'unknown' };
    const filtering = this.#filtering();
    const { address, port } = first.reflexive;
    if (port === this.#sessionPort && this.#localAddresses.includes(address))
      return {
        mapping: 'none',
        filtering: filtering === 'unknown' ? 'none' : filtering,
        portAllocation: 'preserving',
      };
    const { behaviour, dependsOnPort } = classifyMapping(observations, this.#sessionPort);
    const known = dependsOnPort === 'unknown' ? {} : { dependsOnPort };
    if (!this.#isMoving()) {
      const isPreserved = port === this.#sessionPort && dependsOnPort === false;
      const portAllocation = isPreserved ? 'preserving' : 'unknown';
      return { mapping: behaviour, filtering, portAllocation, ...known };
    }
    const samples = this.#portSamples();
    const allocation = classifyPortSequence(samples);
    const latestPort = this.#sampledPort ?? samples.at(-1)?.externalPort;
    return {
      mapping: behaviour,
      filtering,
      portAllocation: allocation.kind,
      ...known,
      ...(allocation.kind === 'sequential' ? { portStep: allocation.step, latestPort } : {}),
    };
  }

  #portSamples(): readonly PortSample[] {
    return this.#throwAways().flatMap(({ reflexive, localPort }) =>
      reflexive === undefined || localPort === undefined ? [] : [{ localPort, externalPort: reflexive.port }],
    );
  }

  /** From one address: whether ports matter. An open filter and one that looks at addresses cannot be told apart. */
  #filtering(): NatReport['filtering'] {
    const test = this.#questions.find(({ isFilterTest }) => isFilterTest);
    if (test?.isOver !== true) return 'unknown';
    if (test.cameFromOtherPort) return 'address-dependent';
    return !test.isAnswered ? 'address-and-port-dependent' : 'unknown';
  }

  #closeThrowAways(questions: readonly Question[]): readonly NatSamplingOutput[] {
    const sockets = new Set(questions.flatMap(({ socket }) => (socket === 'session' ? [] : [socket])));
    return [...sockets].map((socket) => ({ kind: 'close-socket', socket }) as const);
  }
}

function hasOtherPort({ to, other }: Question): boolean {
  return other !== undefined && other.family === to.family && other.port !== to.port;
}

function receive(
  question: Question,
  { message, from, localPort }: Extract<NatSamplingInput, { kind: 'response' }>,
): void {
  const isExpected = question.isFilterTest
    ? from.address === question.to.address
    : sameTransportAddress(from, question.to);
  if (!isExpected) return;
  question.isOver = true;
  question.isAnswered = true;
  question.transaction.end();
  question.localPort = localPort;
  if (message.messageClass !== 'success') return;
  question.reflexive = message.get(XorMappedAddress) ?? message.get(MappedAddress);
  question.other = message.get(OtherAddress);
  question.cameFromOtherPort = question.isFilterTest && from.port !== question.to.port;
}
