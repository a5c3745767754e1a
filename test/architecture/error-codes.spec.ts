import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { EDGE_ERRORS } from '@parley/edge-client';
import { WIRE_ERRORS } from '@parley/protocol';

const PAGE = readFileSync(new URL('../../docs/reference/errors.md', import.meta.url), 'utf8');

interface Row {
  readonly code: string;
  readonly retryable: boolean;
  readonly text: string;
}

/** The rows of the table under a heading of the page. */
function rowsUnder(heading: string): readonly Row[] {
  const section = PAGE.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  return [...section.matchAll(/^\| `([A-Z_0-9]+)` \| (yes|no) \| (.*) \|$/gm)].map(
    ([, code = '', retry, text = '']) => ({ code, retryable: retry === 'yes', text }),
  );
}

describe('docs/reference/errors.md', () => {
  it('lists exactly the codes of the wire, with their text and retry advice', () => {
    const table = Object.entries(WIRE_ERRORS).map(([code, { retryable, doc }]) => ({
      code,
      retryable,
      text: doc,
    }));

    expect(rowsUnder('Codes of the supernode')).toEqual(table);
  });

  it('lists exactly the codes of the SDK, with their text and retry advice', () => {
    const table = Object.entries(EDGE_ERRORS).map(([code, { retryable, message }]) => ({
      code,
      retryable,
      text: message,
    }));

    expect(rowsUnder('Codes of the SDK')).toEqual(table);
  });

  it('keeps the two kinds apart by their prefix', () => {
    expect(Object.keys(EDGE_ERRORS).filter((code) => !code.startsWith('EDGE_'))).toEqual([]);
    expect(Object.keys(WIRE_ERRORS).filter((code) => code.startsWith('EDGE_'))).toEqual([]);
  });
});
