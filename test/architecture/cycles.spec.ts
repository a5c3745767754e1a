import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type JscConfig, transform } from '@swc/core';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runTool, trackedFiles, WORKSPACE } from './workspace.ts';

jest.setTimeout(120_000);

const RULES = join(WORKSPACE, 'test/architecture/dependency-rules.json');
const DEPENDENCY_CRUISER = join(WORKSPACE, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');

/** As the compiler of the workspace treats imports: types go, what decorators need at run time stays. */
const COMPILATION: JscConfig = {
  target: 'es2022',
  parser: { syntax: 'typescript', decorators: true },
  transform: { legacyDecorator: true, decoratorMetadata: true },
};

interface Cruise {
  readonly modules: readonly { readonly source: string }[];
  readonly summary: { readonly violations: readonly Violation[] };
}

interface Violation {
  readonly from: string;
  readonly cycle?: readonly { readonly name: string }[];
}

describe('cycles › no module loads itself through others at run time', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-cycles-'));
  });

  afterEach(async () => rm(folder, { recursive: true, force: true }));

  /** Puts what Node would load of `source` at `file`; it keeps its name, which the imports of others contain. */
  async function compile(file: string, source: string): Promise<void> {
    const { code } = await transform(source, { jsc: COMPILATION, module: { type: 'es6' }, swcrc: false });
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), code);
  }

  async function cruise(): Promise<{ modules: string[]; cycles: string[] }> {
    const options = ['--config', RULES, '--output-type', 'json'];
    const { stdout, stderr } = await runTool([DEPENDENCY_CRUISER, ...options, '.'], { folder });
    expect(stderr).toBe('');
    const { modules, summary } = JSON.parse(stdout) as Cruise;
    return {
      modules: modules.map(({ source }) => source),
      cycles: summary.violations.map(({ from, cycle = [] }) =>
        [from, ...cycle.map(({ name }) => name)].join(' > '),
      ),
    };
  }

  it('finds none in the workspace, and has looked at every source file', async () => {
    const sources = (await trackedFiles()).filter((file) => /(?<!\.d|\.spec)\.ts$/.test(file));
    await Promise.all(
      sources.map(async (file) => compile(file, await readFile(join(WORKSPACE, file), 'utf8'))),
    );

    const { modules, cycles } = await cruise();

    expect(cycles).toEqual([]);
    expect(sources.filter((file) => !modules.includes(file))).toEqual([]);
    expect(sources.length).toBeGreaterThan(50);
  });

  it('catches a cycle of two files', async () => {
    await compile(
      'left.ts',
      "import { right } from './right.ts';\nexport const left = (): unknown => right;\n",
    );
    await compile(
      'right.ts',
      "import { left } from './left.ts';\nexport const right = (): unknown => left;\n",
    );

    expect((await cruise()).cycles).toContain('left.ts > right.ts > left.ts');
  });

  it('catches a cycle of injected constructor parameters', async () => {
    const injecting = (name: string, other: string): string =>
      `import { Injectable } from '@nestjs/common';
       import { ${other} } from './${other}.ts';
       @Injectable() export class ${name} { constructor(private readonly other: ${other}) {} }`;
    await compile('Left.ts', injecting('Left', 'Right'));
    await compile('Right.ts', injecting('Right', 'Left'));

    expect((await cruise()).cycles).toContain('Left.ts > Right.ts > Left.ts');
  });

  it('takes neither types that know each other nor two ways to one file for a cycle', async () => {
    await compile(
      'left.ts',
      "import type { Right } from './right.ts';\nexport interface Left { right: Right }\n",
    );
    await compile(
      'right.ts',
      "import type { Left } from './left.ts';\nexport interface Right { left: Left }\n",
    );
    await compile('shared.ts', 'export const shared = 1;\n');
    await compile('one.ts', "import { shared } from './shared.ts';\nexport const one = shared;\n");
    await compile(
      'two.ts',
      "import { one } from './one.ts';\nimport { shared } from './shared.ts';\nexport const two = one + shared;\n",
    );

    expect(await cruise()).toEqual({
      modules: expect.arrayContaining(['left.ts', 'right.ts', 'shared.ts', 'one.ts', 'two.ts']),
      cycles: [],
    });
  });
});
