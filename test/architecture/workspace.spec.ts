import { beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { trackedFiles, WORKSPACE } from './workspace.ts';

/** What may stand at the top, so that the first look at the repository shows the system and no clutter. */
const TOP_LEVEL = [
  '.ci',
  '.editorconfig',
  '.env.example',
  '.gitattributes',
  '.gitignore',
  '.prettierignore',
  '.prettierrc.json',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'LICENSE',
  'README.md',
  'SECURITY.md',
  'apps',
  'docs',
  'eslint.config.mjs',
  'examples',
  'jest.config.mjs',
  'jest.preset.mjs',
  'libs',
  'nx.json',
  'package-lock.json',
  'package.json',
  'prisma',
  'prisma.config.ts',
  'test',
  'tools',
  'tsconfig.base.json',
  'tsconfig.json',
];

const BINARY = new Set(['.wav', '.png', '.ico', '.woff2', '.wasm']);

/** Paths and hosts that exist on one machine only. */
const MACHINE_TRACES = [
  { what: 'a home folder', pattern: /(?<![\w.}])\/(root|home|Users)\/\w/ },
  { what: 'a working folder of one machine', pattern: /(?<![\w.])\/(work|farm|workspace)\/\w/ },
  { what: 'a package registry', pattern: /\b(registry|npm|packages?)\.[a-z\d-]+\.[a-z]{2,}\b|\bregistry=/i },
];

function read(file: string): string {
  return readFileSync(join(WORKSPACE, file), 'utf8');
}

describe('workspace › tracked files', () => {
  let files: string[];

  beforeAll(async () => {
    files = await trackedFiles();
  });

  it('have known names at the top level', () => {
    const topLevel = new Set(files.map((file) => file.split('/')[0]!));

    expect([...topLevel].filter((name) => !TOP_LEVEL.includes(name))).toEqual([]);
  });

  it.each(MACHINE_TRACES)('do not name $what', ({ pattern }) => {
    const texts = files.filter((file) => !BINARY.has(extname(file)) && !file.endsWith('workspace.spec.ts'));

    const traces = texts.flatMap((file) => {
      const found = pattern.exec(read(file));
      return found === null ? [] : `${file}: ${found[0]}`;
    });

    expect(traces).toEqual([]);
    expect(texts.length).toBeGreaterThan(50);
  });

  it('lock every package by version and content, from whichever registry a user has', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> };
    const entries = Object.entries(packages).filter(
      ([path, { link }]) => path.includes('node_modules/') && link !== true,
    );

    expect(entries.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([]);
    expect(
      entries
        .filter(([, { integrity, inBundle }]) => integrity === undefined && inBundle !== true)
        .map(([path]) => path),
    ).toEqual([]);
  });

  it('state exact versions of what they depend on', () => {
    const loose = files
      .filter((file) => file.endsWith('package.json'))
      .flatMap((file) => {
        const manifest = JSON.parse(read(file)) as Manifest;
        const all = {
          ...manifest.dependencies,
          ...manifest.devDependencies,
          ...manifest.optionalDependencies,
        };
        return Object.entries(all)
          .filter(([, version]) => !/^(npm:(@[\w.-]+\/)?[\w.-]+@)?\d+\.\d+\.\d+(-[\w.-]+)?$/.test(version))
          .map(([name, version]) => `${file}: ${name}@${version}`);
      });

    expect(loose).toEqual([]);
  });
});

interface LockedPackage {
  readonly link?: boolean;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly inBundle?: boolean;
}

interface Manifest {
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
}
