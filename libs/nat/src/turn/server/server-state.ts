import type { FiveTuple } from '../../net/five-tuple.ts';
import { canonicalIpAddress } from '../../net/ip-address.ts';
import { ErrorCode, UnknownAttributes } from '../../stun/attributes/error.ts';
import { Fingerprint } from '../../stun/attributes/opaque.ts';
import { REASON_PHRASES, StunErrorCode, type StunErrorCodeNumber } from '../../stun/error-code.ts';
import { StunMessageBuilder } from '../../stun/message-builder.ts';
import type { StunMessage } from '../../stun/message.ts';
import { ReplyBudget } from '../../stun/reply-budget.ts';
import { earliest, type Instant } from '../../time/instant.ts';
import { TimerQueue } from '../../time/timer-queue.ts';
import { MAX_LIFETIME_S, NONCE_LIFETIME_S, RELAY_PORT_MAX, RELAY_PORT_MIN } from '../limits.ts';
import { PeerPolicy } from '../policy/peer-policy.ts';
import { AllocationTable } from './allocation-table.ts';
import type { ExpiringState } from './allocation.ts';
import { CredentialAuthority } from './credential-authority.ts';
import { NonceIssuer } from './nonce.ts';
import { RelayPorts } from './relay-ports.ts';
import { RequestAuthenticator, type Authentication } from './request-authenticator.ts';
import { TurnCounters } from './turn-counters.ts';
import type {
  TurnQuotas,
  TurnServerEvent,
  TurnServerOptions,
  TurnServerOutput,
} from './turn-server-types.ts';

const DEFAULT_QUOTAS: TurnQuotas = {
  allocationsPerCredential: 10,
  allocationsPerAddress: 200,
  allocations: 4000,
  permissionsPerAllocation: 100,
  channelsPerAllocation: 100,
};

/** A request whose sender is proven. */
export interface AuthenticatedRequest {
  readonly message: StunMessage;
  readonly tuple: FiveTuple;
  /** `fiveTupleKey(tuple)`. */
  readonly key: string;
  readonly authentication: Authentication;
}

/** What the handlers of one TURN server share. */
export class ServerState {
  readonly options: TurnServerOptions;
  readonly table = new AllocationTable();
  readonly timers = new TimerQueue<ExpiringState>();
  readonly ports: RelayPorts;
  readonly policy: PeerPolicy;
  readonly authority: CredentialAuthority;
  readonly authenticator: RequestAuthenticator;
  readonly budget: ReplyBudget;
  readonly counters = new TurnCounters();
  readonly maxLifetimeSeconds: number;
  private readonly ownRelayAddresses: readonly string[];
  quotas: TurnQuotas;
  private outputs: TurnServerOutput[] = [];

  constructor(options: TurnServerOptions) {
    const { crypto } = options;
    this.options = options;
    const portRange = options.relay.portRange ?? { min: RELAY_PORT_MIN, max: RELAY_PORT_MAX };
    this.ports = new RelayPorts(crypto, portRange);
    this.ownRelayAddresses = [options.relay.ipv4, options.relay.ipv6].flatMap((relay) =>
      relay === undefined ? [] : [canonicalIpAddress(relay.advertised ?? relay.bind) ?? relay.bind],
    );
    this.policy = new PeerPolicy({
      allow: options.allowPeers ?? [],
      relayAddresses: this.ownRelayAddresses,
      relayPortRange: portRange,
      ...(options.minimumPeerPort === undefined ? {} : { minimumPeerPort: options.minimumPeerPort }),
    });
    this.authority = new CredentialAuthority(crypto, options.epochMillisAt);
    const nonces = new NonceIssuer(crypto, (options.nonceLifetimeSeconds ?? NONCE_LIFETIME_S) * 1000);
    this.authenticator = new RequestAuthenticator(crypto, options.realm, nonces, this.authority);
    this.budget = new ReplyBudget(options.unauthenticatedReplies);
    this.maxLifetimeSeconds = options.maxLifetimeSeconds ?? MAX_LIFETIME_S;
    this.quotas = { ...DEFAULT_QUOTAS, ...options.quotas };
  }

  /** Own addresses and those of the roster. */
  setRosterRelayAddresses(addresses: readonly string[]): void {
    this.policy.setRelayAddresses([...this.ownRelayAddresses, ...addresses]);
  }

  emit(output: TurnServerOutput): void {
    this.outputs.push(output);
  }

  event(event: TurnServerEvent): void {
    this.emit({ kind: 'event', event });
  }

  drop(reason: Extract<TurnServerOutput, { kind: 'drop' }>['reason']): void {
    this.emit(this.counters.drop(reason));
  }

  takeOutputs(): readonly TurnServerOutput[] {
    const { outputs } = this;
    this.outputs = [];
    return outputs;
  }

  nextTimeoutAt(): Instant | undefined {
    return earliest(this.timers.nextAt(), this.authority.nextTimeoutAt());
  }

  /** Protects, remembers nothing, sends; gives the bytes for who must be able to send them again. */
  succeed(request: AuthenticatedRequest, builder: StunMessageBuilder): Uint8Array {
    const bytes = this.close(request.message, this.authenticator.seal(builder, request.authentication));
    this.emit({ kind: 'send', to: request.tuple, bytes });
    return bytes;
  }

  refuse(request: AuthenticatedRequest, code: StunErrorCodeNumber, unknown: readonly number[] = []): void {
    this.counters.refused(code);
    const builder = StunMessageBuilder.responseTo(request.message, 'error');
    builder.add(ErrorCode, { code, reason: REASON_PHRASES[code] });
    if (code === StunErrorCode.UNKNOWN_ATTRIBUTE) builder.add(UnknownAttributes, unknown);
    const bytes = this.close(request.message, this.authenticator.seal(builder, request.authentication));
    this.emit({ kind: 'send', to: request.tuple, bytes });
  }

  /**
   * To somebody who may be anybody: within the budget of the source and as small as possible (no reason phrase), because the
   * source may be forged and this reply be somebody else's flood.
   */
  refuseUnauthenticated(message: StunMessage, tuple: FiveTuple, code: 400 | 401 | 438, now: Instant): void {
    if (!this.budget.take(tuple.client, now)) {
      this.drop('reply-budget-exhausted');
      return;
    }
    this.counters.refused(code);
    this.counters.unauthenticatedReplies += 1;
    const builder = StunMessageBuilder.responseTo(message, 'error').add(ErrorCode, { code, reason: '' });
    if (code !== StunErrorCode.BAD_REQUEST) this.authenticator.addChallenge(builder, tuple, now);
    this.emit({ kind: 'send', to: tuple, bytes: this.close(message, builder) });
  }

  private close(request: StunMessage, builder: StunMessageBuilder): Uint8Array {
    if (request.has(Fingerprint)) builder.addFingerprint(this.options.crypto);
    return builder.toBytes();
  }
}
