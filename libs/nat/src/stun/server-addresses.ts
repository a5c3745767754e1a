/** The up to four addresses of a STUN server that helps with NAT behaviour discovery (RFC 5780 section 6). */
import type { TransportAddress } from '../net/transport-address.ts';

/** Which of its sockets a datagram came in on or leaves from. */
export type StunServerSocket =
  'primary' | 'alternate-port' | 'alternate-address' | 'alternate-address-and-port';

/** Addresses as clients see them. With neither alternate the server is a plain one. */
export interface StunServerAddresses {
  readonly primary: TransportAddress;
  /** A second IP address of the same family. */
  readonly alternateAddress?: string;
  /** A second port, on every address. */
  readonly alternatePort?: number;
}

/** The transport address behind a socket, or `undefined` where the server has no such socket. */
export function addressOfSocket(
  { primary, alternateAddress, alternatePort }: StunServerAddresses,
  socket: StunServerSocket,
): TransportAddress | undefined {
  const address = usesAlternateAddress(socket) ? alternateAddress : primary.address;
  const port = usesAlternatePort(socket) ? alternatePort : primary.port;
  return address === undefined || port === undefined ? undefined : { family: primary.family, address, port };
}

/** The socket that differs from `socket` in address, port or both. */
export function changedSocket(
  socket: StunServerSocket,
  changeAddress: boolean,
  changePort: boolean,
): StunServerSocket {
  const address = usesAlternateAddress(socket) !== changeAddress;
  const port = usesAlternatePort(socket) !== changePort;
  if (address) return port ? 'alternate-address-and-port' : 'alternate-address';
  return port ? 'alternate-port' : 'primary';
}

function usesAlternateAddress(socket: StunServerSocket): boolean {
  return socket === 'alternate-address' || socket === 'alternate-address-and-port';
}

function usesAlternatePort(socket: StunServerSocket): boolean {
  return socket === 'alternate-port' || socket === 'alternate-address-and-port';
}
