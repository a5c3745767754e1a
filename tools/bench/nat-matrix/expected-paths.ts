import { SITE_KINDS, type SiteKind } from './site-kinds.ts';

/** What is physically possible between two networks, whoever builds it, with a bounded number of probes. */
export type ExpectedPath =
  | { readonly path: 'direct'; readonly by: keyof typeof TECHNIQUES }
  | { readonly path: 'relay'; readonly reason: keyof typeof OBSTACLES };

/** How a direct path comes about. */
export const TECHNIQUES = {
  opening: 'both sides send to the address that a server saw of the other, at the same time',
  prediction: 'the next port of a sequential NAT follows from the ports that it gave before',
  guessing:
    'one side has one port for everybody and lets many of its datagrams guess; the other one opens many sockets, one of which is met',
  hairpin: "the carrier's NAT sends packets for its own outside address back in",
  ipv6: 'IPv6 addresses are not translated: both sides send, and both firewalls are open',
} as const;

/** Why there can be no direct path. */
export const OBSTACLES = {
  unpredictable:
    'both NATs give another random port to every peer: one guess in 64,512 at best, with 2,048 probes 1 attempt in 30',
  'moving against random':
    'each guess towards the random side leaves from another port of the sequential side, and the filter of the random side admits one of them',
  'no hairpinning':
    "both are behind one carrier's NAT, which drops packets for its own outside address, and no address below it is known",
  'no UDP': 'the network of one side lets no UDP out',
} as const;

const open: ExpectedPath = { path: 'direct', by: 'opening' };
const pred: ExpectedPath = { path: 'direct', by: 'prediction' };
const gues: ExpectedPath = { path: 'direct', by: 'guessing' };
const hair: ExpectedPath = { path: 'direct', by: 'hairpin' };
const ipv6: ExpectedPath = { path: 'direct', by: 'ipv6' };
const RAND: ExpectedPath = { path: 'relay', reason: 'unpredictable' };
const MOVE: ExpectedPath = { path: 'relay', reason: 'moving against random' };
const CGN_: ExpectedPath = { path: 'relay', reason: 'no hairpinning' };
const NUDP: ExpectedPath = { path: 'relay', reason: 'no UDP' };

/** One row per network, its columns in the order of {@link SITE_KINDS} up to itself. */
// prettier-ignore
export const EXPECTED_PATHS: Readonly<Record<SiteKind, readonly ExpectedPath[]>> = {
  //              none  ei-ei ei-ad ei-apd cgn-h cgn  seq-1 seq-2 seq-7 ad-r  apd-r dual  no-udp
  'none':        [open],
  'ei-ei':       [open, open],
  'ei-ad':       [open, open, open],
  'ei-apd':      [open, open, open, open],
  'cgn-hairpin': [open, open, open, open, hair],
  'cgn':         [open, open, open, open, open, CGN_],
  'seq-1':       [open, open, open, pred, pred, pred, pred],
  'seq-2':       [open, open, open, pred, pred, pred, pred, pred],
  'seq-7':       [open, open, open, pred, pred, pred, pred, pred, pred],
  'ad-random':   [open, open, open, gues, gues, gues, MOVE, MOVE, MOVE, RAND],
  'apd-random':  [open, open, open, gues, gues, gues, MOVE, MOVE, MOVE, RAND, RAND],
  'dual-stack':  [open, open, open, gues, gues, gues, MOVE, MOVE, MOVE, RAND, RAND, ipv6],
  'udp-blocked': [NUDP, NUDP, NUDP, NUDP, NUDP, NUDP, NUDP, NUDP, NUDP, NUDP, NUDP, NUDP, NUDP],
};

/** An unordered pair of networks. */
export interface SitePair {
  readonly a: SiteKind;
  readonly b: SiteKind;
  readonly expected: ExpectedPath;
}

/** Every unordered pair, each once, two of the same network too. */
export function allPairs(): readonly SitePair[] {
  return SITE_KINDS.flatMap((b) =>
    EXPECTED_PATHS[b].flatMap((expected, column) => {
      const a = SITE_KINDS[column];
      return a === undefined ? [] : [{ a, b, expected }];
    }),
  );
}
