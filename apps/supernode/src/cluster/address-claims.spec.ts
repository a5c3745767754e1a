import { describe, expect, it } from '@jest/globals';
import { after, instant } from '@parley/nat';
import {
  AddressClaims,
  CLAIM_LIFE_MS,
  CLAIMS_OF_A_VIEW,
  CLAIMS_OF_ONE_PEER,
  MAX_PEERS,
} from './address-claims.ts';

const PUBLIC = '8.8.4.4';
const OTHER = '9.9.9.9';
const START = instant(1_000);

/** Peers answer in turn, for so many rounds: what is agreed after the last answer. */
function rounds(
  claims: AddressClaims,
  count: number,
  answers: Readonly<Record<string, string | ((round: number) => string)>>,
  now = START,
): string | undefined {
  let agreed: string | undefined;
  for (let round = 0; round < count; round += 1) {
    for (const [peer, answer] of Object.entries(answers)) {
      agreed = claims.heard(peer, typeof answer === 'string' ? answer : answer(round), now);
    }
  }
  return agreed;
}

describe('AddressClaims', () => {
  it('listens to the peer outside where another one on the same network sees a private address, asked in turn', () => {
    const mixed = { neighbour: '192.168.1.5', outside: PUBLIC };

    expect(rounds(new AddressClaims(), CLAIMS_OF_ONE_PEER, mixed)).toBe(PUBLIC);
  });

  it.each(['10.0.0.1', '127.0.0.1', '169.254.7.7', '100.64.3.2', '203.0.113.5', 'fe80::1', 'not an address'])(
    'never agrees on %s',
    (address) => {
      const claims = new AddressClaims();

      expect(rounds(claims, 50, { a: address, b: address, c: address })).toBeUndefined();
      expect(claims.size).toBe(0);
    },
  );

  it('believes peers that agree sooner than one alone, and nobody at once', () => {
    const [several, alone] = [new AddressClaims(), new AddressClaims()];

    expect(rounds(several, CLAIMS_OF_A_VIEW - 1, { a: PUBLIC, b: PUBLIC })).toBeUndefined();
    expect(rounds(several, 1, { a: PUBLIC, b: PUBLIC })).toBe(PUBLIC);
    expect(rounds(alone, CLAIMS_OF_ONE_PEER - 1, { a: PUBLIC })).toBeUndefined();
    expect(rounds(alone, 1, { a: PUBLIC })).toBe(PUBLIC);
  });

  it('does not believe one that lies among those who agree, however often and whoever speaks first', () => {
    for (const order of [
      { liar: OTHER, a: PUBLIC, b: PUBLIC },
      { a: PUBLIC, b: PUBLIC, liar: OTHER },
    ]) {
      const claims = new AddressClaims();
      for (let round = 0; round < 20; round += 1) expect(rounds(claims, 1, order)).not.toBe(OTHER);
      expect(rounds(claims, 30, { liar: OTHER })).toBe(PUBLIC);
    }
  });

  it('does not decide between as many', () => {
    const claims = new AddressClaims();

    expect(rounds(claims, 30, { a: PUBLIC, b: OTHER })).toBeUndefined();
    expect(rounds(claims, CLAIMS_OF_A_VIEW, { c: OTHER })).toBe(OTHER);
  });

  it('does not take one of the addresses of a NAT that uses several', () => {
    const turning = (round: number) => (round % 2 === 0 ? PUBLIC : OTHER);

    expect(rounds(new AddressClaims(), 30, { a: turning, b: turning })).toBeUndefined();
  });

  it('follows when the address changes', () => {
    const claims = new AddressClaims();
    rounds(claims, 10, { a: PUBLIC, b: PUBLIC });

    expect(rounds(claims, CLAIMS_OF_A_VIEW, { a: OTHER, b: OTHER })).toBe(OTHER);
  });

  it('forgets what a peer said that is gone, and what it said before it saw a private address', () => {
    const claims = new AddressClaims();
    rounds(claims, 10, { gone: OTHER, moved: OTHER, a: PUBLIC });
    expect(claims.heard('a', PUBLIC, START)).toBe(OTHER);

    expect(claims.heard('moved', '10.0.0.7', START)).toBeUndefined();
    expect(claims.heard('a', PUBLIC, after(START, CLAIM_LIFE_MS - 1))).toBeUndefined();
    expect(claims.heard('a', PUBLIC, after(START, CLAIM_LIFE_MS))).toBe(PUBLIC);
    expect(claims.size).toBe(1);
  });

  it('keeps a bounded number of peers, and goes on hearing those', () => {
    const claims = new AddressClaims();
    const crowd = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`peer-${index}`, PUBLIC]));

    expect(rounds(claims, CLAIMS_OF_A_VIEW, crowd(3 * MAX_PEERS))).toBe(PUBLIC);
    expect(claims.size).toBe(MAX_PEERS);
    claims.heard('later', OTHER, after(START, CLAIM_LIFE_MS));
    expect(claims.size).toBe(1);
  });
});
