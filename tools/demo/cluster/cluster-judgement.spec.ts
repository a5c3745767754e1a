import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Narrator } from '../narrator.ts';
import { judgeBlow, judgeMessages } from './cluster-judgement.ts';
import type { BlowResult, ConversationResult } from './cluster-result.ts';
import { UNKNOWN_PLACE } from './conversation-tally.ts';

const BORNE: BlowResult = {
  killed: 'home',
  nodeId: 'node-2',
  rosterMs: 3_100,
  coordinator: 'node-1',
  reHomed: 13,
  lastReHomedMs: 5_000,
  untouched: { count: 30, broken: 0, longestGapMs: 200 },
  throughLostRelay: { count: 10, broken: 0, longestGapMs: 900 },
  longestStallMs: 60,
  conversations: [],
};

const UNKNOWN: ConversationResult = {
  name: 'anna',
  peer: 'ben',
  kind: 'session',
  ranThroughLost: false,
  before: { path: 'relayed', through: [UNKNOWN_PLACE] },
  after: { path: 'relayed', through: ['node-1'] },
  broken: null,
  longestGapMs: 100,
};

describe('the judgement of the cluster demo', () => {
  const narrator = new Narrator(true);

  beforeEach(() => {
    jest.spyOn(process.stderr, 'write').mockReturnValue(true);
  });

  it('accepts a blow that was borne', () => {
    expect(judgeBlow(narrator, BORNE)).toBe(true);
  });

  it.each<[string, Partial<BlowResult>]>([
    ['no roster came', { rosterMs: null }],
    ['somebody did not come back', { lastReHomedMs: null }],
    ['a session broke that did not need the relay', { untouched: { ...BORNE.untouched, broken: 1 } }],
    ['one was silent', { untouched: { ...BORNE.untouched, longestGapMs: 1_001 } }],
    [
      'a session through the lost relay broke',
      { throughLostRelay: { ...BORNE.throughLostRelay, broken: 1 } },
    ],
    ['every session ran through the relay', { untouched: { count: 0, broken: 0, longestGapMs: 0 } }],
    ['no session ran through the relay', { throughLostRelay: { count: 0, broken: 0, longestGapMs: 0 } }],
    ['it was not known what relayed one', { conversations: [UNKNOWN] }],
    ['one was back too late', { throughLostRelay: { ...BORNE.throughLostRelay, longestGapMs: 1_001 } }],
  ])('refuses one where %s', (_title, change) => {
    expect(judgeBlow(narrator, { ...BORNE, ...change })).toBe(false);
  });

  it.each([
    [{ stored: 10, receivedOnce: 10, lost: 0, duplicates: 0 }, true],
    [{ stored: 10, receivedOnce: 9, lost: 1, duplicates: 0 }, false],
    [{ stored: 10, receivedOnce: 9, lost: 0, duplicates: 1 }, false],
    [{ stored: 0, receivedOnce: 0, lost: 0, duplicates: 0 }, false],
  ])('judges the messages %j', (messages, isRight) => {
    expect(judgeMessages(narrator, messages)).toBe(isRight);
  });
});
