import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ADVISORIES, isAffected } from './known-advisories.ts';
import { trackedFiles, WORKSPACE } from './workspace.ts';

interface LockedPackage {
  readonly version: string;
  readonly dev?: boolean;
  readonly link?: boolean;
  readonly dependencies?: Record<string, string>;
}

const { packages } = JSON.parse(readFileSync(join(WORKSPACE, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, LockedPackage>;
};

/** Everything that `npm install --omit=dev` may install. */
const production = Object.entries(packages)
  .filter(([path, entry]) => path.includes('node_modules/') && entry.dev !== true && entry.link !== true)
  .map(([path, entry]) => ({
    name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
    ...entry,
  }));

/** Affected and installed, but the affected code is never reached: the reason is in SECURITY.md, the proof below. */
const UNREACHABLE = ['ip@1.1.9 CVE-2024-29415'];

describe('advisories › production dependencies, by version', () => {
  it('are affected by none, but for those shown unreachable', () => {
    const affected = production.flatMap(({ name, version }) =>
      ADVISORIES.filter((advisory) => advisory.name === name && isAffected(advisory, version)).map(
        ({ id }) => `${name}@${version} ${id}`,
      ),
    );

    expect(affected).toEqual(UNREACHABLE);
    expect(production.length).toBeGreaterThan(100);
  });

  it('are named in SECURITY.md where they are affected', () => {
    const policy = readFileSync(join(WORKSPACE, 'SECURITY.md'), 'utf8');

    for (const entry of UNREACHABLE) expect(policy).toContain(entry.split(' ')[1]);
  });

  it('reach `ip` through `stun` alone, which calls only the address formatter, not the affected classification', () => {
    const dependants = production
      .filter(({ dependencies = {} }) => 'ip' in dependencies)
      .map(({ name }) => name);
    const sources = readdirSync(join(WORKSPACE, 'node_modules/stun/src'), {
      recursive: true,
      encoding: 'utf8',
    })
      .filter((file) => file.endsWith('.js'))
      .map((file) => readFileSync(join(WORKSPACE, 'node_modules/stun/src', file), 'utf8'));
    const users = sources.filter((source) => /require\('ip'\)/.test(source));

    expect(dependants).toEqual(['stun']);
    expect(users.length).toBeGreaterThan(0);
    for (const source of users) {
      expect(source).toContain("const ip = require('ip');");
      expect(new Set(source.match(/(?<![\w.'])ip(\.\w+|\[)/g))).toEqual(new Set(['ip.toString']));
    }
  });

  it('leave the `stun` package off the packet path: only looks at servers import it', async () => {
    const importers = (await trackedFiles())
      .filter((file) => /^(libs|apps)\/.*(?<!\.spec)\.ts$/.test(file))
      .filter((file) =>
        /from 'stun'|(import|require|import\.meta\.url\))\('stun'\)/.test(
          readFileSync(join(WORKSPACE, file), 'utf8'),
        ),
      );

    expect(importers.sort()).toEqual([
      'apps/edge-client/src/netcheck/stun-package.ts',
      'apps/supernode/src/cluster/stun-package.ts',
    ]);
  });
});

describe('advisories › the check itself', () => {
  const [unfixed, fixed] = ADVISORIES;

  it.each([
    ['1.1.9', true],
    ['2.0.1', true],
  ])('finds version %s of a package without a fix affected', (version, expected) => {
    expect(isAffected(unfixed!, version)).toBe(expected);
  });

  it.each([
    ['1.1.8', true],
    ['1.1.9', false],
    ['2.0.0', true],
    ['2.0.1', false],
    ['10.0.0', false],
  ])('compares version %s by number: affected %s', (version, expected) => {
    expect(isAffected(fixed!, version)).toBe(expected);
  });
});
