import type { NatCrypto } from '../crypto/crypto.port.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { XorMappedAddress } from '../stun/attributes/address.ts';
import { ClientTransaction } from '../stun/client-transaction.ts';
import type { StunMessage } from '../stun/message.ts';
import { StunMessageBuilder } from '../stun/message-builder.ts';
import { Method } from '../stun/message-type.ts';
import { newTransactionId, transactionIdKey } from '../stun/transaction-id.ts';
import type { Core } from '../time/core.ts';
import { after, type Instant } from '../time/instant.ts';

export type ReflexiveQueryInput =
  { readonly kind: 'start' } | { readonly kind: 'response'; readonly message: StunMessage };

export type ReflexiveQueryOutput =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  /** `rttMs` only where a single request was sent: else it is unknown which one was answered. */
  | { readonly kind: 'mapped'; readonly address: TransportAddress; readonly rttMs: number | undefined }
  | { readonly kind: 'failed' };

/** Shorter than the 30 s after which some NATs forget a UDP mapping (RFC 4787 REQ-5 asks for two minutes). */
const KEEPALIVE_MS = 20_000;

/**
 * Asks one STUN server what address it sees behind one of our sockets (RFC 8445 section 5.1.1.2), measures the round trip,
 * and asks again so that the mapping stays and a new one is noticed.
 */
export class ReflexiveQuery implements Core<ReflexiveQueryInput, ReflexiveQueryOutput> {
  readonly #crypto: NatCrypto;
  #transaction: ClientTransaction | undefined;
  #sentAt: Instant | undefined;
  #againAt: Instant | undefined;

  constructor(crypto: NatCrypto) {
    this.#crypto = crypto;
  }

  owns(transactionId: Uint8Array): boolean {
    return this.#transaction?.key === transactionIdKey(transactionId);
  }

  handle(input: ReflexiveQueryInput, now: Instant): readonly ReflexiveQueryOutput[] {
    return input.kind === 'start' ? this.#ask(now) : this.#receive(input.message, now);
  }

  handleTimeout(now: Instant): readonly ReflexiveQueryOutput[] {
    if (this.#againAt !== undefined && this.#againAt <= now) return this.#ask(now);
    const outputs: ReflexiveQueryOutput[] = [];
    for (const output of this.#transaction?.handleTimeout(now) ?? []) {
      if (output.kind === 'send') outputs.push(output);
      else outputs.push(...this.#fail(now));
    }
    return outputs;
  }

  nextTimeoutAt(): Instant | undefined {
    return this.#againAt ?? this.#transaction?.nextTimeoutAt();
  }

  #ask(now: Instant): readonly ReflexiveQueryOutput[] {
    const builder = new StunMessageBuilder('request', Method.BINDING, newTransactionId(this.#crypto));
    const transaction = new ClientTransaction(builder.addFingerprint(this.#crypto).toBytes());
    this.#transaction = transaction;
    this.#sentAt = now;
    this.#againAt = undefined;
    return transaction.start(now).flatMap((output) => (output.kind === 'send' ? [output] : []));
  }

  #receive(message: StunMessage, now: Instant): readonly ReflexiveQueryOutput[] {
    const transaction = this.#transaction;
    if (transaction === undefined || !this.owns(message.transactionId)) return [];
    transaction.end();
    this.#transaction = undefined;
    const address = message.messageClass === 'success' ? message.get(XorMappedAddress) : undefined;
    if (address === undefined) return this.#fail(now);
    this.#againAt = after(now, KEEPALIVE_MS);
    const sentAt = transaction.transmissions === 1 ? this.#sentAt : undefined;
    return [{ kind: 'mapped', address, rttMs: sentAt === undefined ? undefined : now - sentAt }];
  }

  #fail(now: Instant): readonly ReflexiveQueryOutput[] {
    this.#transaction = undefined;
    this.#againAt = after(now, KEEPALIVE_MS);
    return [{ kind: 'failed' }];
  }
}
