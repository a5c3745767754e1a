/**
 * NAT behaviours in the words of RFC 4787, `mapping/filtering` or `mapping/ports`. What a router makes of its rules is proved by
 * probes in `behaviour.spec.ts`, never assumed.
 */
export const NAT_BEHAVIOURS = [
  'none',
  'endpoint-independent/endpoint-independent',
  'endpoint-independent/address-dependent',
  'endpoint-independent/address-and-port-dependent',
  'address-dependent/random-ports',
  'address-and-port-dependent/random-ports',
  'address-and-port-dependent/sequential-ports',
  'address-and-port-dependent/sequential-ports-step-2',
  'address-and-port-dependent/sequential-ports-step-7',
  'udp-blocked',
] as const;

/**
 * One of {@link NAT_BEHAVIOURS}. `none`: public addresses and no filter. Where the name says nothing of the filtering, only the
 * contacted address and port may answer.
 */
export type NatBehaviour = (typeof NAT_BEHAVIOURS)[number];

/** The kernel has no address-dependent mapping: there a program translates. */
export function isUserSpace(behaviour: NatBehaviour): boolean {
  return behaviour === 'address-dependent/random-ports';
}
