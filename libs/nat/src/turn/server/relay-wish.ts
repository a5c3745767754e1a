import type { AddressFamily } from '../../net/transport-address.ts';
import type { AttributeCodec, AttributeResult } from '../../stun/attributes/attribute-codec.ts';
import { ReservationToken } from '../../stun/attributes/opaque.ts';
import {
  AdditionalAddressFamily,
  EvenPort,
  RequestedAddressFamily,
  RequestedTransport,
  TransportProtocol,
} from '../../stun/attributes/turn.ts';
import { StunErrorCode, type StunErrorCodeNumber } from '../../stun/error-code.ts';
import type { StunMessage } from '../../stun/message.ts';
import type { PortKind } from './relay-ports.ts';

/** What an Allocate request asks for. */
export interface RelayWish {
  readonly family: AddressFamily;
  readonly portKind: PortKind;
  readonly reservationToken: Uint8Array | undefined;
  /** ADDITIONAL-ADDRESS-FAMILY: answered with an ADDRESS-ERROR-CODE, one allocation has one family here. */
  readonly wantsBothFamilies: boolean;
}

type Refusal = StunErrorCodeNumber;

/** RFC 8656 section 7.2, the checks of attributes in the order of the RFC; a number is the error code to answer with. */
export function relayWishOf(message: StunMessage): RelayWish | Refusal {
  const transport = message.get(RequestedTransport);
  if (transport === undefined) return StunErrorCode.BAD_REQUEST;
  if (transport !== TransportProtocol.UDP) return StunErrorCode.UNSUPPORTED_TRANSPORT_PROTOCOL;

  const refusal = combinationRefusal(message) ?? malformedRefusal(message);
  if (refusal !== undefined) return refusal;

  const evenPort = message.get(EvenPort);
  const portKind = evenPort === undefined ? 'any' : evenPort.reserveNext ? 'pair' : 'even';
  const wantsBothFamilies = message.has(AdditionalAddressFamily);
  if (wantsBothFamilies && portKind === 'pair') return StunErrorCode.BAD_REQUEST;
  return {
    family: message.get(RequestedAddressFamily) ?? 'ipv4',
    portKind,
    reservationToken: message.get(ReservationToken),
    wantsBothFamilies,
  };
}

/** A token stands for a port that was chosen before, so nothing else may choose; one family attribute excludes the other. */
function combinationRefusal(message: StunMessage): Refusal | undefined {
  const choosers = [EvenPort, RequestedAddressFamily, AdditionalAddressFamily];
  const isTokenAndMore = message.has(ReservationToken) && choosers.some((codec) => message.has(codec));
  const areBothFamilies = message.has(RequestedAddressFamily) && message.has(AdditionalAddressFamily);
  return isTokenAndMore || areBothFamilies ? StunErrorCode.BAD_REQUEST : undefined;
}

function malformedRefusal(message: StunMessage): Refusal | undefined {
  if (isMalformed(message, ReservationToken) || isMalformed(message, EvenPort))
    return StunErrorCode.BAD_REQUEST;
  const family = message.read(RequestedAddressFamily);
  if (!family.ok && family.reason === 'unknown-address-family')
    return StunErrorCode.ADDRESS_FAMILY_NOT_SUPPORTED;
  if (isMalformed(message, RequestedAddressFamily)) return StunErrorCode.BAD_REQUEST;
  // Section 7.2: only IPv6 may be additional.
  const isAdditionalWrong =
    message.has(AdditionalAddressFamily) && message.get(AdditionalAddressFamily) !== 'ipv6';
  return isAdditionalWrong ? StunErrorCode.BAD_REQUEST : undefined;
}

function isMalformed<T>(message: StunMessage, codec: AttributeCodec<T>): boolean {
  const result: AttributeResult<T> = message.read(codec);
  return !result.ok && result.reason !== 'absent';
}
