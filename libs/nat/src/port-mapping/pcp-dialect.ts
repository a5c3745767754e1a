import type { TransportAddress } from '../net/transport-address.ts';
import { decodeNatPmpResponse, NatPmpResult } from './nat-pmp-message.ts';
import type { MappingDialect, MappingReading } from './mapping-dialect.ts';
import { decodePcpResponse, encodePcpMap, isUdpMapping, PcpResult, type PcpResponse } from './pcp-message.ts';

/** A server of another version is asked again after this long (RFC 6887 section 9). */
const OTHER_VERSION_RETRY_SECONDS = 1800;

export interface PcpDialectOptions {
  readonly nonce: Uint8Array;
  readonly client: string;
  readonly internalPort: number;
  readonly lifetimeSeconds: number;
}

/** MAP of RFC 6887. */
export class PcpDialect implements MappingDialect {
  readonly protocol = 'pcp';
  // Section 8.1.1: IRT 3 s, MRT 1024 s, no end, RAND within a tenth.
  readonly firstTimeoutMs = 3000;
  readonly maxTimeoutMs = 1_024_000;
  readonly maxAttempts = undefined;
  readonly jitter = 0.1;
  readonly #options: PcpDialectOptions;

  constructor(options: PcpDialectOptions) {
    this.#options = options;
  }

  begin(): void {
    // One message is the whole question.
  }

  requests(suggested: TransportAddress): readonly Uint8Array[] {
    return [encodePcpMap({ ...this.#options, suggested })];
  }

  deletion(): Uint8Array {
    return encodePcpMap({ ...this.#options, suggested: undefined, lifetimeSeconds: 0 });
  }

  read(bytes: Uint8Array): MappingReading {
    const older = decodeNatPmpResponse(bytes);
    if (older !== undefined) {
      const isRefusal = older.result === NatPmpResult.UNSUPPORTED_VERSION;
      return isRefusal ? { kind: 'speaks-nat-pmp' } : { kind: 'drop', reason: 'unexpected' };
    }
    const response = decodePcpResponse(bytes);
    if (response === undefined) return { kind: 'drop', reason: 'malformed' };
    switch (response.kind) {
      case 'announce':
        return { kind: 'epoch', epochSeconds: response.epochSeconds };
      case 'map':
        return this.#readMap(response);
      case 'other-version':
        return response.result === PcpResult.UNSUPP_VERSION
          ? { kind: 'refused', result: response.result, retrySeconds: OTHER_VERSION_RETRY_SECONDS }
          : { kind: 'drop', reason: 'unexpected' };
      case 'other-opcode':
        return { kind: 'drop', reason: 'unexpected' };
    }
  }

  #readMap({ result, lifetimeSeconds, epochSeconds, mapping }: PcpResponse): MappingReading {
    const { nonce, internalPort } = this.#options;
    if (mapping === undefined) return { kind: 'drop', reason: 'malformed' };
    if (!nonce.every((byte, at) => byte === mapping.nonce[at]))
      return { kind: 'drop', reason: 'wrong-nonce' };
    if (!isUdpMapping(mapping) || mapping.internalPort !== internalPort)
      return { kind: 'drop', reason: 'not-our-mapping' };
    if (result !== PcpResult.SUCCESS) return { kind: 'refused', result, retrySeconds: lifetimeSeconds };
    if (lifetimeSeconds === 0) return { kind: 'deleted' };
    if (mapping.external.port === 0) return { kind: 'drop', reason: 'malformed' };
    return { kind: 'mapped', external: mapping.external, lifetimeSeconds, epochSeconds };
  }
}
