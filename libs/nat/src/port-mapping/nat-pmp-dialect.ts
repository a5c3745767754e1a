import type { TransportAddress } from '../net/transport-address.ts';
import type { MappingDialect, MappingReading } from './mapping-dialect.ts';
import {
  decodeNatPmpResponse,
  encodeNatPmpExternalAddress,
  encodeNatPmpMap,
  type NatPmpResponse,
} from './nat-pmp-message.ts';

/** The protocol says nothing of how long an error lasts. */
const RETRY_SECONDS = 300;

export interface NatPmpDialectOptions {
  readonly internalPort: number;
  readonly lifetimeSeconds: number;
}

type MappingAnswer = Extract<NatPmpResponse, { kind: 'mapping' }>;

/** RFC 6886: the external address and the port are two questions. */
export class NatPmpDialect implements MappingDialect {
  readonly protocol = 'nat-pmp';
  // Section 3.1: 250 ms, doubled, nine attempts.
  readonly firstTimeoutMs = 250;
  readonly maxTimeoutMs = 64_000;
  readonly maxAttempts = 9;
  readonly jitter = 0;
  readonly #options: NatPmpDialectOptions;
  #address: string | undefined;
  #mapping: MappingAnswer | undefined;

  constructor(options: NatPmpDialectOptions) {
    this.#options = options;
  }

  begin(): void {
    this.#address = undefined;
    this.#mapping = undefined;
  }

  requests(suggested: TransportAddress): readonly Uint8Array[] {
    return [
      ...(this.#address === undefined ? [encodeNatPmpExternalAddress()] : []),
      ...(this.#mapping === undefined
        ? [encodeNatPmpMap({ ...this.#options, suggestedPort: suggested.port })]
        : []),
    ];
  }

  deletion(): Uint8Array {
    return encodeNatPmpMap({ ...this.#options, suggestedPort: 0, lifetimeSeconds: 0 });
  }

  read(bytes: Uint8Array): MappingReading {
    const response = decodeNatPmpResponse(bytes);
    if (response === undefined) return { kind: 'drop', reason: 'malformed' };
    if (response.kind === 'error')
      return { kind: 'refused', result: response.result, retrySeconds: RETRY_SECONDS };
    if (response.kind === 'external-address') {
      // Announced by the gateway (section 3.2.1), or the answer to a repetition.
      if (this.#isAnswered()) {
        return response.address === this.#address
          ? { kind: 'epoch', epochSeconds: response.epochSeconds }
          : { kind: 'changed' };
      }
      this.#address = response.address;
    } else {
      if (response.internalPort !== this.#options.internalPort)
        return { kind: 'drop', reason: 'not-our-mapping' };
      if (response.lifetimeSeconds === 0) return { kind: 'deleted' };
      if (response.externalPort === 0) return { kind: 'drop', reason: 'malformed' };
      if (this.#isAnswered()) return { kind: 'drop', reason: 'unexpected' };
      this.#mapping = response;
    }
    if (this.#address === undefined || this.#mapping === undefined) return { kind: 'partial' };
    const { externalPort: port, lifetimeSeconds } = this.#mapping;
    const external: TransportAddress = { family: 'ipv4', address: this.#address, port };
    return { kind: 'mapped', external, lifetimeSeconds, epochSeconds: response.epochSeconds };
  }

  #isAnswered(): boolean {
    return this.#address !== undefined && this.#mapping !== undefined;
  }
}
