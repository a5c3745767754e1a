/** The part of the untyped `stun` package that the cross-check uses. */
declare module 'stun' {
  import type { Socket } from 'node:dgram';

  interface StunResponse {
    getXorAddress(): { readonly address: string; readonly port: number } | undefined;
  }

  interface RequestOptions {
    readonly socket?: Socket;
    /** Initial retransmission timeout in milliseconds. */
    readonly timeout?: number;
    readonly retries?: number;
  }

  const stun: { request(url: string, options?: RequestOptions): Promise<StunResponse> };
  export default stun;
}
