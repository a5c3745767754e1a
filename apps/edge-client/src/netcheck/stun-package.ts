import type { Socket } from 'node:dgram';
import { createRequire } from 'node:module';

interface StunResponse {
  getXorAddress(): { readonly address: string; readonly port: number } | undefined;
}

interface RequestOptions {
  readonly socket?: Socket;
  /** Initial retransmission timeout in milliseconds. */
  readonly timeout?: number;
  readonly retries?: number;
}

interface StunPackage {
  request(url: string, options?: RequestOptions): Promise<StunResponse>;
}

/**
 * The part of the untyped `stun` package that the cross-check uses. Typed here and not by a declaration of the module,
 * which would be missing, or meet another one, in every project that compiles against this source.
 */
export const stun = createRequire(import.meta.url)('stun') as StunPackage;
