import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { renderProtocolPage } from './render-protocol-page.ts';

const repository = fileURLToPath(new URL('../..', import.meta.url));

describe('docs/protocol/v1.md', () => {
  it('is what the schemas, the golden files and the limits say (npm run docs)', () => {
    expect(readFileSync(`${repository}/docs/protocol/v1.md`, 'utf8')).toBe(renderProtocolPage(repository));
  });
});
