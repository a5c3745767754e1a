import type { NatCrypto } from '../crypto/crypto.port.ts';
import type { FiveTuple } from '../net/five-tuple.ts';
import { transportAddress } from '../net/ip-address.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { ErrorCode } from '../stun/attributes/error.ts';
import { RequestedTransport, TransportProtocol } from '../stun/attributes/turn.ts';
import { StunMessageBuilder } from '../stun/message-builder.ts';
import { decodeStunMessage, type StunMessage } from '../stun/message.ts';
import { Method, type MessageClass } from '../stun/message-type.ts';
import { newTransactionId } from '../stun/transaction-id.ts';
import { instant, type Instant } from '../time/instant.ts';
import { LongTermSession } from '../turn/client/long-term-session.ts';
import { formatTimeLimitedUsername, timeLimitedPassword, type TurnCredential } from '../turn/credentials.ts';
import { TurnServer } from '../turn/server/turn-server.ts';
import type {
  RelayId,
  TurnServerInput,
  TurnServerOptions,
  TurnServerOutput,
} from '../turn/server/turn-server-types.ts';

/** Wall-clock time at instant 0 of a lab. */
const EPOCH_SECONDS = 1_800_000_000;
const SECRET = 'a secret of the default tenant';

type OutputOf<K extends TurnServerOutput['kind']> = Extract<TurnServerOutput, { kind: K }>;

/** A TURN server core without sockets: relays open at once unless told otherwise, and every output is kept. */
export class TurnLab {
  readonly crypto: NatCrypto;
  readonly server: TurnServer;
  readonly listener: TransportAddress = transportAddress('192.0.2.1', 3478);
  readonly outputs: TurnServerOutput[] = [];
  now: Instant = instant(0);
  /** What becomes of the next relays; `opened` when the list is empty. */
  readonly relayFates: ('opened' | 'address-in-use' | 'other' | 'never')[] = [];

  constructor(crypto: NatCrypto, options: Partial<TurnServerOptions> = {}) {
    this.crypto = crypto;
    this.server = new TurnServer({
      crypto,
      realm: 'lab.example',
      epochMillisAt: (now) => EPOCH_SECONDS * 1000 + now,
      relay: {
        ipv4: { bind: '192.0.2.1' },
        ipv6: { bind: '2001:470::1' },
        portRange: { min: 50_000, max: 50_999 },
      },
      ...options,
    });
    this.input({ kind: 'set-secrets', tenantRef: '', secrets: [SECRET] });
  }

  /** A credential of the default tenant that is valid for `ttlSeconds` from now. */
  credential(credentialId = 'alice', ttlSeconds = 86_400, secret = SECRET): TurnCredential {
    const expiresAtEpochSeconds = EPOCH_SECONDS + Math.floor(this.now / 1000) + ttlSeconds;
    const username = formatTimeLimitedUsername({ expiresAtEpochSeconds, credentialId });
    return { username, password: timeLimitedPassword(this.crypto, secret, username) };
  }

  /** The epoch second that `secondsFromNow` is. */
  epochSeconds(secondsFromNow = 0): number {
    return EPOCH_SECONDS + Math.floor(this.now / 1000) + secondsFromNow;
  }

  client(
    address = '198.41.0.4',
    port = 40_000,
    credential = this.credential(),
    protocol: FiveTuple['protocol'] = 'udp',
  ): LabClient {
    const client = transportAddress(address, port);
    return new LabClient(this, { client, server: this.listener, protocol }, credential);
  }

  /** Moves the clock, running timers on the way, each at its instant. */
  advance(milliseconds: number): readonly TurnServerOutput[] {
    const end = instant(this.now + milliseconds);
    const outputs: TurnServerOutput[] = [];
    for (
      let at = this.server.nextTimeoutAt();
      at !== undefined && at <= end;
      at = this.server.nextTimeoutAt()
    ) {
      this.now = at > this.now ? at : this.now;
      outputs.push(...this.keep(this.server.handleTimeout(this.now)));
    }
    this.now = end;
    return outputs;
  }

  input(input: TurnServerInput): readonly TurnServerOutput[] {
    const outputs = [...this.keep(this.server.handle(input, this.now))];
    // Index loop: what a relay's fate leads to is appended while it runs.
    for (let index = 0; index < outputs.length; index += 1) {
      const output = outputs[index];
      if (output?.kind === 'open-relay') outputs.push(...this.decideRelay(output.relayId));
    }
    return outputs;
  }

  datagram(tuple: FiveTuple, bytes: Uint8Array): readonly TurnServerOutput[] {
    return this.input({ kind: 'datagram', tuple, bytes });
  }

  of<K extends TurnServerOutput['kind']>(kind: K): readonly OutputOf<K>[] {
    return this.outputs.filter((output): output is OutputOf<K> => output.kind === kind);
  }

  private decideRelay(relayId: RelayId): readonly TurnServerOutput[] {
    const fate = this.relayFates.shift() ?? 'opened';
    if (fate === 'never') return [];
    const input: TurnServerInput =
      fate === 'opened' ? { kind: 'relay-opened', relayId } : { kind: 'relay-failed', relayId, reason: fate };
    return this.keep(this.server.handle(input, this.now));
  }

  private keep(outputs: readonly TurnServerOutput[]): readonly TurnServerOutput[] {
    this.outputs.push(...outputs);
    return outputs;
  }
}

type Build = (builder: StunMessageBuilder) => StunMessageBuilder;

/** Speaks TURN message by message, also wrongly. */
export class LabClient {
  readonly tuple: FiveTuple;
  session: LongTermSession;
  private readonly lab: TurnLab;

  constructor(lab: TurnLab, tuple: FiveTuple, credential: TurnCredential) {
    this.lab = lab;
    this.tuple = tuple;
    this.session = new LongTermSession(lab.crypto, credential);
  }

  /** Sends a bare request and takes the challenge of its 401. */
  challenge(): this {
    this.session.accept(this.exchange(Method.ALLOCATE));
    return this;
  }

  /** A finished message; with the credential once there was a challenge. */
  message(
    method: number,
    build: Build = (builder) => builder,
    messageClass: MessageClass = 'request',
  ): Uint8Array {
    const builder = build(new StunMessageBuilder(messageClass, method, newTransactionId(this.lab.crypto)));
    if (messageClass === 'request') this.session.seal(builder);
    return builder.toBytes();
  }

  send(bytes: Uint8Array): readonly TurnServerOutput[] {
    return this.lab.datagram(this.tuple, bytes);
  }

  /** The response to a request; fails where there is not exactly one. */
  exchange(method: number, build?: Build): StunMessage {
    return onlyResponse(this.send(this.message(method, build)));
  }

  allocate(build: Build = (builder) => builder): StunMessage {
    return this.exchange(Method.ALLOCATE, (builder) =>
      build(builder.add(RequestedTransport, TransportProtocol.UDP)),
    );
  }

  /** The error code of the response, or `success`. */
  outcome(method: number, build?: Build): number | 'success' {
    return outcomeOf(this.exchange(method, build));
  }
}

export function outcomeOf(response: StunMessage): number | 'success' {
  return response.messageClass === 'success' ? 'success' : (response.get(ErrorCode)?.code ?? 0);
}

/** The one STUN message among the outputs. @throws RangeError where it is not exactly one */
export function onlyResponse(outputs: readonly TurnServerOutput[]): StunMessage {
  const sent = outputs.filter((output) => output.kind === 'send');
  const decoded = sent[0] === undefined ? undefined : decodeStunMessage(sent[0].bytes);
  if (sent.length !== 1 || decoded?.ok !== true) {
    throw new RangeError(`Expected one response, saw ${JSON.stringify(outputs.map(({ kind }) => kind))}.`);
  }
  return decoded.message;
}
