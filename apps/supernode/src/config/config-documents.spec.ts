import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { renderErrorReference } from '../errors-document.ts';
import { runConfigCommand } from './config-command.ts';
import { renderEnvExample, renderReference } from './config-documents.ts';
import { optionEntries } from './config.schema.ts';
import { loadConfig } from './load-config.ts';

const ROOT = path.resolve(import.meta.dirname, '../../../..');

/** The names that DESIGN section 10 fixes. */
const FIXED_NAMES = [
  ...[
    'HOST',
    'PUBLIC_ADDRESS',
    'ALT_ADDRESS',
    'EDGE_PORT',
    'ADMIN_PORT',
    'STUN_PORT',
    'STUN_ALT_PORT',
    'TLS_PORT',
  ],
  ...[
    'TLS_CERT',
    'TLS_KEY',
    'RELAY_PORT_RANGE',
    'TRUST_PROXY',
    'CORS_ORIGINS',
    'DATA_DIR',
    'TURN_SECRET',
    'TURN_REALM',
  ],
  ...['RELAY_ALLOW_PEERS', 'API_SECRET', 'JWKS_URL', 'ADMIN_KEY', 'REGION', 'ROLES'],
].map((name) => `SUPERNODE_${name}`);

describe('settings', () => {
  it('have every fixed name, and no name twice', () => {
    const names = optionEntries().map(({ option }) => option.env);

    expect(names).toEqual(expect.arrayContaining([...FIXED_NAMES, 'DATABASE_URL', 'REDIS_URL']));
    expect(new Set(names).size).toBe(names.length);
  });

  it('have defaults that the loader reads back as they are', async () => {
    let printed = '';
    await runConfigCommand(['print-defaults'], { write: (text: string) => (printed += text) });
    const env = Object.fromEntries(
      printed
        .trim()
        .split('\n')
        .map((line) => line.split('=') as [string, string]),
    );

    expect(loadConfig(env)).toEqual(loadConfig({}));
    expect(Object.keys(env)).toHaveLength(optionEntries().length);
  });
});

describe('generated documents', () => {
  it.each([renderReference, renderEnvExample])('%p names every setting', (render) => {
    for (const { option } of optionEntries()) expect(render()).toContain(option.env);
  });

  it.each([
    ['docs/reference/config.md', renderReference],
    ['.env.example', renderEnvExample],
    ['docs/reference/supernode-errors.md', renderErrorReference],
  ])('%s is what `parley-supernode config docs .` writes', (file, render) => {
    const text = render();

    expect(readFileSync(path.join(ROOT, file), 'utf8')).toBe(text);
  });
});
