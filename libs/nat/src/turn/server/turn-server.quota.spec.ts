import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { nodeCrypto } from '../../node/node-crypto.ts';
import { EvenPort, Lifetime } from '../../stun/attributes/turn.ts';
import { Method } from '../../stun/message-type.ts';
import { seededCrypto } from '../../testing/seeded-crypto.ts';
import { TurnLab, outcomeOf } from '../../testing/turn-lab.ts';
import type { TurnQuotas } from './turn-server-types.ts';

const newLab = (quotas: Partial<TurnQuotas>): TurnLab =>
  new TurnLab(seededCrypto(5, nodeCrypto), {
    quotas,
    unauthenticatedReplies: { perSecond: 1e6, burst: 1e6 },
  });
const allocate = (turn: TurnLab, address: string, port: number, id: string, isPair = false) =>
  outcomeOf(
    turn
      .client(address, port, turn.credential(id))
      .challenge()
      .allocate((builder) => (isPair ? builder.add(EvenPort, { reserveNext: true }) : builder)),
  );

describe('TurnServer › quotas', () => {
  it('answers 486 beyond the quota of a credential, and nobody else suffers', () => {
    const turn = newLab({ allocationsPerCredential: 2 });

    expect([1, 2, 3].map((port) => allocate(turn, '198.41.0.4', port, 'alice'))).toEqual([
      'success',
      'success',
      486,
    ]);
    expect(allocate(turn, '198.41.0.4', 4, 'bob')).toBe('success');
  });

  it('answers 486 beyond the quota of an address, and counts an IPv6 /64 as one', () => {
    const turn = newLab({ allocationsPerAddress: 1 });

    expect([allocate(turn, '198.41.0.4', 1, 'a'), allocate(turn, '198.41.0.4', 2, 'b')]).toEqual([
      'success',
      486,
    ]);
    expect([
      allocate(turn, '2001:470::1', 1, 'c'),
      allocate(turn, '2001:470::2', 1, 'd'),
      allocate(turn, '2001:470:0:1::1', 1, 'e'),
    ]).toEqual(['success', 486, 'success']);
  });

  it('answers 508 beyond the total', () => {
    const turn = newLab({ allocations: 1 });

    expect([allocate(turn, '198.41.0.4', 1, 'a'), allocate(turn, '198.41.0.5', 1, 'b')]).toEqual([
      'success',
      508,
    ]);
  });

  it('counts a reserved port', () => {
    const turn = newLab({ allocationsPerCredential: 2 });

    expect([allocate(turn, '198.41.0.4', 1, 'a', true), allocate(turn, '198.41.0.4', 2, 'a')]).toEqual([
      'success',
      486,
    ]);
    turn.advance(30_000);
    expect(allocate(turn, '198.41.0.4', 3, 'a')).toBe('success');
  });

  it('counts relays while they are being opened', () => {
    const turn = newLab({ allocationsPerCredential: 1 });
    turn.relayFates.push('never');
    const first = turn.client('198.41.0.4', 1).challenge();
    first.send(
      first.message(Method.ALLOCATE, (builder) => builder.addRaw(0x0019, Uint8Array.of(17, 0, 0, 0))),
    );

    expect(allocate(turn, '198.41.0.4', 2, 'alice')).toBe(486);
  });

  it('can be changed while the server runs', () => {
    const turn = newLab({ allocationsPerCredential: 1 });
    allocate(turn, '198.41.0.4', 1, 'a');
    turn.input({ kind: 'set-quotas', quotas: { allocationsPerCredential: 2 } });

    expect(allocate(turn, '198.41.0.4', 2, 'a')).toBe('success');
  });

  it('are never passed and never leak, whatever allocates, releases, fails or expires', () => {
    const step = fc.record({
      what: fc.constantFrom('allocate', 'pair', 'fail', 'release', 'wait'),
      user: fc.nat(2),
      host: fc.nat(2),
      port: fc.nat(5),
    });
    const quotas = { allocationsPerCredential: 2, allocationsPerAddress: 3, allocations: 5 };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const turn = newLab(quotas);
        for (const { what, user, host, port } of steps) {
          const [id, address] = [`user${user}`, `198.41.0.${host + 1}`];
          if (what === 'wait') turn.advance(200_000);
          else if (what === 'release') {
            turn
              .client(address, port + 1, turn.credential(id))
              .challenge()
              .exchange(Method.REFRESH, (b) => b.add(Lifetime, 0));
          } else {
            if (what === 'fail') turn.relayFates.push('other');
            allocate(turn, address, port + 1, id, what === 'pair');
            turn.relayFates.length = 0;
          }
          expect(turn.server.stats().allocations).toBeLessThanOrEqual(quotas.allocations);
        }
        turn.advance(3_600_000);
        expect(turn.server.stats().allocations).toBe(0);
        expect(turn.of('close-relay').length).toBe(turn.of('open-relay').length);
        expect([1, 2, 3].map((port) => allocate(turn, '198.41.0.1', port, 'user0'))).toEqual([
          'success',
          'success',
          486,
        ]);
      }),
      { numRuns: 60 },
    );
  });
});
