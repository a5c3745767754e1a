/** One Binding transaction of the discovery and what came of it. */
import type { NatCrypto } from '../crypto/crypto.port.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { OtherAddress, MappedAddress, XorMappedAddress } from '../stun/attributes/address.ts';
import { ChangeRequest, type ChangeRequestValue } from '../stun/attributes/behaviour.ts';
import { ClientTransaction, type RetransmissionParameters } from '../stun/client-transaction.ts';
import { StunMessageBuilder } from '../stun/message-builder.ts';
import { Method } from '../stun/message-type.ts';
import type { StunMessage } from '../stun/message.ts';
import { newTransactionId } from '../stun/transaction-id.ts';
import type { Instant } from '../time/instant.ts';

/** The mapping tests must not open the filter that the filtering tests look at, so each kind has its own socket. */
export type DiscoverySocket = 'mapping' | 'filtering';

export type ProbePurpose = 'observe' | 'change-address' | 'change-port' | 'hairpin';

export type ProbeOutcome =
  | {
      readonly kind: 'answered';
      readonly from: TransportAddress;
      readonly reflexive: TransportAddress;
      readonly other: TransportAddress | undefined;
      readonly roundTripMs: number | undefined;
    }
  /** An error response, or one without an address. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'no-answer' }
  /** The request itself came back through the NAT. */
  | { readonly kind: 'came-back' };

export interface ProbeTarget {
  readonly purpose: ProbePurpose;
  readonly socket: DiscoverySocket;
  readonly destination: TransportAddress;
  readonly change?: ChangeRequestValue;
}

export class DiscoveryProbe {
  readonly target: ProbeTarget;
  readonly transaction: ClientTransaction;
  outcome: ProbeOutcome | undefined;
  private readonly startedAt: Instant;

  constructor(
    target: ProbeTarget,
    crypto: NatCrypto,
    retransmission: RetransmissionParameters,
    now: Instant,
  ) {
    const request = new StunMessageBuilder('request', Method.BINDING, newTransactionId(crypto));
    if (target.change !== undefined) request.add(ChangeRequest, target.change);
    this.target = target;
    this.transaction = new ClientTransaction(request.toBytes(), retransmission);
    this.startedAt = now;
  }

  end(outcome: ProbeOutcome): void {
    this.outcome = outcome;
    this.transaction.end();
  }

  endWithResponse(message: StunMessage, from: TransportAddress, now: Instant): void {
    const reflexive = message.get(XorMappedAddress) ?? message.get(MappedAddress);
    if (message.messageClass !== 'success' || reflexive === undefined) {
      this.end({ kind: 'refused' });
      return;
    }
    // After a retransmission nobody knows which transmission was answered.
    const roundTripMs = this.transaction.transmissions === 1 ? now - this.startedAt : undefined;
    this.end({ kind: 'answered', from, reflexive, other: message.get(OtherAddress), roundTripMs });
  }
}
