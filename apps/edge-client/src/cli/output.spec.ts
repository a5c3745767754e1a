import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Output, printable } from './output.ts';

const REPLACED = '\ufffd';

describe('Output › what others had a hand in', () => {
  const written: string[] = [];

  beforeEach(() => {
    const keep = (text: unknown) => written.push(String(text)) > 0;
    jest.spyOn(process.stderr, 'write').mockImplementation(keep);
    jest.spyOn(process.stdout, 'write').mockImplementation(keep);
  });
  afterEach(() => {
    written.length = 0;
    jest.restoreAllMocks();
  });

  it('has no power over the terminal', () => {
    const output = new Output(false);

    output.note('bob is away: \u001b]0;title\u0007\u009b2J\nparley: all is well');
    output.result({}, 'bob\u202e: \u001b[31monline\nalice: offline');

    expect(written).toEqual([
      `bob is away: ${REPLACED}]0;title${REPLACED}${REPLACED}2J${REPLACED}parley: all is well\n`,
      `bob${REPLACED}: ${REPLACED}[31monline\nalice: offline\n`,
    ]);
  });

  it('stays as it is for machines, and in any script for people', () => {
    new Output(true).result({ name: 'b\u001bob' }, 'unused');

    expect(JSON.parse(written.join(''))).toEqual({ ok: true, name: 'b\u001bob' });
    expect(printable('Grüße, 世界, שלום 👋')).toBe('Grüße, 世界, שלום 👋');
  });
});
