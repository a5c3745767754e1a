/** Application data in Send and Data indications (RFC 8656 section 11). */
import type { TransportAddress } from '../net/transport-address.ts';
import { XorPeerAddress } from '../stun/attributes/address.ts';
import { Data } from '../stun/attributes/opaque.ts';
import { StunMessageBuilder } from '../stun/message-builder.ts';
import type { StunMessage } from '../stun/message.ts';
import { Method } from '../stun/message-type.ts';

export interface RelayedData {
  readonly peer: TransportAddress;
  /** A view of the received datagram. */
  readonly bytes: Uint8Array;
}

export function encodeSendIndication({ peer, bytes }: RelayedData, transactionId: Uint8Array): Uint8Array {
  return encodeIndication(Method.SEND, peer, bytes, transactionId);
}

export function encodeDataIndication({ peer, bytes }: RelayedData, transactionId: Uint8Array): Uint8Array {
  return encodeIndication(Method.DATA, peer, bytes, transactionId);
}

export function isDataIndication(message: StunMessage): boolean {
  return message.messageClass === 'indication' && message.method === Method.DATA;
}

/** Peer and data of a Send or Data indication; `undefined` where one of them is missing or malformed. */
export function readRelayedData(message: StunMessage): RelayedData | undefined {
  const peer = message.get(XorPeerAddress);
  const bytes = message.get(Data);
  return peer === undefined || bytes === undefined ? undefined : { peer, bytes };
}

function encodeIndication(
  method: number,
  peer: TransportAddress,
  bytes: Uint8Array,
  id: Uint8Array,
): Uint8Array {
  return new StunMessageBuilder('indication', method, id)
    .add(XorPeerAddress, peer)
    .add(Data, bytes)
    .toBytes();
}
