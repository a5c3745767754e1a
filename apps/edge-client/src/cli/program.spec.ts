import { describe, expect, it } from '@jest/globals';
import { DEFAULTS } from './command-context.ts';
import { buildProgram } from './program.ts';

function urlsOf(...words: string[]): unknown {
  const program = buildProgram(new AbortController().signal, () => undefined);
  program.parseOptions(words);
  return program.opts()['url'];
}

describe('parley --url', () => {
  it('takes several supernodes, in the order in which they are given', () => {
    expect(urlsOf('--url', 'https://a.example, https://b.example', '--url', 'https://c.example')).toEqual([
      'https://a.example',
      'https://b.example',
      'https://c.example',
    ]);
  });

  it('has a default where none is given', () => {
    expect(urlsOf()).toEqual(DEFAULTS.url);
    expect(DEFAULTS.url).toHaveLength(1);
  });
});
