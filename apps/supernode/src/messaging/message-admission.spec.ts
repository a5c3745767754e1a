import { describe, expect, it } from '@jest/globals';
import { LIMITS } from '@parley/protocol';
import { SIDES, type Sides } from '../contacts/contact-transitions.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import type { CorrespondenceState } from './correspondents.port.ts';
import { admitMessage, checkCopies } from './message-admission.ts';
import { sendRequest } from './testing/sealed-copies.ts';

const ada = callerNamed('ada');
const adaTablet = callerNamed('ada', 'tablet');
const bob = callerNamed('bob');
const bobTablet = callerNamed('bob', 'tablet');
const NONE = { requests: 0, others: 0 };

function state(
  sides: Sides,
  unread: CorrespondenceState['unread'] = NONE,
  wrong: Partial<CorrespondenceState> = {},
): CorrespondenceState {
  return {
    sender: { listVersion: 3, devices: new Set([ada.deviceId, adaTablet.deviceId]) },
    recipient: { listVersion: 5, devices: new Set([bob.deviceId, bobTablet.deviceId]) },
    sides,
    unread,
    ...wrong,
  };
}

const befriended: Sides = { mine: 'accepted', theirs: 'accepted' };
const strangers: Sides = { mine: 'none', theirs: 'none' };
const VERSIONS = { listVersions: { peer: 5, own: 3 } };
const request = (wrong: Parameters<typeof sendRequest>[3] = {}) =>
  sendRequest(bob.userId, [bob, bobTablet, adaTablet], 'm', { ...VERSIONS, ...wrong });

describe('admitMessage', () => {
  it('depends on what both users decided, and on nothing that only the recipient knows in what it tells', () => {
    for (const mine of SIDES) {
      for (const theirs of SIDES) {
        const admission = admitMessage(ada, request(), state({ mine, theirs }), NONE);

        if (mine === 'blocked') expect(admission).toEqual({ refusal: 'FORBIDDEN' });
        else {
          const isMutual = mine === 'accepted' && theirs === 'accepted';
          const isBlocked = theirs === 'blocked';
          expect(admission).toMatchObject({
            silentDrop: isBlocked ? 'blocked' : undefined,
            copies: [
              { userId: 'bob', isDiscarded: isBlocked, isRequest: !isMutual },
              { userId: 'bob', isDiscarded: isBlocked, isRequest: !isMutual },
              { userId: 'ada', isDiscarded: false, isRequest: false },
            ],
          });
        }
      }
    }
  });

  it.each<[string, CorrespondenceState, string]>([
    ['the sending device left the list', state(befriended, NONE, { sender: undefined }), 'DEVICE_NOT_LINKED'],
    ['there is no such user', state(befriended, NONE, { recipient: undefined }), 'NOT_FOUND'],
    [
      'the recipient has a newer list',
      state(befriended, NONE, { recipient: { listVersion: 6, devices: new Set([bob.deviceId]) } }),
      'DEVICE_LIST_STALE',
    ],
    [
      'the sender has a newer list',
      state(befriended, NONE, {
        sender: { listVersion: 4, devices: new Set([ada.deviceId, adaTablet.deviceId]) },
      }),
      'DEVICE_LIST_STALE',
    ],
    [
      'a device is not active',
      state(befriended, NONE, { recipient: { listVersion: 5, devices: new Set([bob.deviceId]) } }),
      'DEVICE_LIST_STALE',
    ],
  ])('refuses when %s', (_what, given, refusal) => {
    expect(admitMessage(ada, request(), given, NONE)).toEqual({ refusal });
  });

  it.each([
    ['requests', false, 'request-limit'],
    ['others', true, 'receipt-limit'],
  ] as const)(
    'counts unread %s of a stranger, all copies of a message or none',
    (kind, isReceipt, reason) => {
      const dropOf = (stored: number, alsoUnread: number): unknown => {
        const unread = { ...NONE, [kind]: stored };
        const also = { ...NONE, [kind]: alsoUnread };
        const admission = admitMessage(ada, request({ isReceipt }), state(strangers, unread), also);
        return 'silentDrop' in admission ? admission.silentDrop : admission;
      };
      const fits = LIMITS.maxRequestsPerSender - 2;

      expect(dropOf(fits, 0)).toBeUndefined();
      expect(dropOf(fits - 1, 1)).toBeUndefined();
      expect(dropOf(fits + 1, 0)).toBe(reason);
      expect(dropOf(0, fits + 1)).toBe(reason);
    },
  );

  it('has no such limit for contacts and for oneself', () => {
    const much = { requests: 1_000, others: 1_000 };
    const toSelf = sendRequest(ada.userId, [adaTablet], 'note', { listVersions: { peer: 3, own: 3 } });
    const own = state(strangers, much, { recipient: state(strangers).sender });

    expect(admitMessage(ada, request(), state(befriended, much), much)).toMatchObject({
      silentDrop: undefined,
    });
    expect(admitMessage(ada, toSelf, own, much)).toMatchObject({
      silentDrop: undefined,
      copies: [{ isRequest: false, isDiscarded: false }],
    });
  });
});

describe('checkCopies', () => {
  it.each([
    ['for the sending device', [ada]],
    ['twice for one device', [bob, bob]],
    ['for a third user', [callerNamed('carol')]],
  ])('refuses a copy %s', (_what, devices) => {
    expect(() => checkCopies(ada, sendRequest(bob.userId, devices, 'm'))).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST' }),
    );
  });
});
