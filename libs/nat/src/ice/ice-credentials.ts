import type { NatCrypto } from '../crypto/crypto.port.ts';

/** Short-term credentials of one agent for one ICE generation (RFC 8445 section 5.3). */
export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

const ICE_CHARS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** 48 bits; the RFC asks for 24. */
const UFRAG_CHARS = 8;
/** 144 bits; the RFC asks for 128. */
const PWD_CHARS = 24;
const VALID_UFRAG = /^[A-Za-z0-9+/]{4,256}$/;
const VALID_PWD = /^[A-Za-z0-9+/]{22,256}$/;

export function newIceCredentials(crypto: NatCrypto): IceCredentials {
  return { ufrag: iceChars(crypto, UFRAG_CHARS), pwd: iceChars(crypto, PWD_CHARS) };
}

/** Whether what a peer sent may be a pair of credentials (RFC 8839 section 5.4). */
export function areValidIceCredentials({ ufrag, pwd }: IceCredentials): boolean {
  return VALID_UFRAG.test(ufrag) && VALID_PWD.test(pwd);
}

function iceChars(crypto: NatCrypto, length: number): string {
  let text = '';
  for (const byte of crypto.randomBytes(length)) text += ICE_CHARS.charAt(byte & 0x3f);
  return text;
}
