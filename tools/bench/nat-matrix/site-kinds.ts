import type { SideOptions } from '@parley/test/natlab';

/** Networks in which clients are found, in the words of RFC 4787 and of `test/natlab`; `cgn` is a carrier's NAT. */
export const SITE_KINDS = [
  'none',
  'ei-ei',
  'ei-ad',
  'ei-apd',
  'cgn-hairpin',
  'cgn',
  'seq-1',
  'seq-2',
  'seq-7',
  'ad-random',
  'apd-random',
  'dual-stack',
  'udp-blocked',
] as const;

export type SiteKind = (typeof SITE_KINDS)[number];

export interface SiteDescription {
  /** For readers. */
  readonly what: string;
  readonly side: SideOptions;
}

const HOME_NAT = 'endpoint-independent/address-and-port-dependent';

export const SITES: Readonly<Record<SiteKind, SiteDescription>> = {
  none: { what: 'a public address, no filter', side: { behaviour: 'none' } },
  'ei-ei': {
    what: 'endpoint-independent mapping and filtering',
    side: { behaviour: 'endpoint-independent/endpoint-independent' },
  },
  'ei-ad': {
    what: 'endpoint-independent mapping, address-dependent filtering',
    side: { behaviour: 'endpoint-independent/address-dependent' },
  },
  'ei-apd': {
    what: 'endpoint-independent mapping, address-and-port-dependent filtering',
    side: { behaviour: HOME_NAT },
  },
  'cgn-hairpin': {
    what: "such a home NAT behind a carrier's NAT with hairpinning; two of them share the carrier's",
    side: { behaviour: HOME_NAT, carrier: 'cgn-hairpin' },
  },
  cgn: {
    what: "such a home NAT behind a carrier's NAT without hairpinning; two of them share the carrier's",
    side: { behaviour: HOME_NAT, carrier: 'cgn' },
  },
  'seq-1': {
    what: 'address-and-port-dependent mapping, ports in steps of 1',
    side: { behaviour: 'address-and-port-dependent/sequential-ports' },
  },
  'seq-2': {
    what: 'address-and-port-dependent mapping, ports in steps of 2',
    side: { behaviour: 'address-and-port-dependent/sequential-ports-step-2' },
  },
  'seq-7': {
    what: 'address-and-port-dependent mapping, ports in steps of 7',
    side: { behaviour: 'address-and-port-dependent/sequential-ports-step-7' },
  },
  'ad-random': {
    what: 'address-dependent mapping, random ports',
    side: { behaviour: 'address-dependent/random-ports' },
  },
  'apd-random': {
    what: 'address-and-port-dependent mapping, random ports',
    side: { behaviour: 'address-and-port-dependent/random-ports' },
  },
  'dual-stack': {
    what: 'IPv6 behind a stateful firewall, IPv4 as apd-random',
    side: { behaviour: 'address-and-port-dependent/random-ports', ipv6: 'stateful-firewall' },
  },
  'udp-blocked': { what: 'UDP refused, TCP to port 443 only', side: { behaviour: 'udp-blocked' } },
};

/** The carriers that {@link SITES} name. */
export const CARRIERS = { 'cgn-hairpin': { hairpinning: true }, cgn: { hairpinning: false } } as const;
