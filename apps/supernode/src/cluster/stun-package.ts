import type { Socket } from 'node:dgram';
import { createRequire } from 'node:module';

interface StunResponse {
  getXorAddress(): { readonly address: string; readonly port: number } | undefined;
}

interface RequestOptions {
  readonly socket: Socket;
  /** Initial retransmission timeout in milliseconds. */
  readonly timeout: number;
  readonly retries: number;
}

interface StunPackage {
  request(url: string, options: RequestOptions): Promise<StunResponse>;
}

/**
 * The client of the untyped `stun` package, with which supernodes look at each other's STUN servers: it shares no code with the
 * server that it looks at. Typed here and not by a declaration of the module, which every project that compiles against
 * this source would lack or meet twice.
 */
export const stun = createRequire(import.meta.url)('stun') as StunPackage;
