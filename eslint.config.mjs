import js from '@eslint/js';
import nx from '@nx/eslint-plugin';
import ts from 'typescript-eslint';

/**
 * The boundaries of DESIGN section 2 as data: who may import what, and why. Zones for one folder must not overlap,
 * because the last matching configuration wins. `test/architecture` proves that each ban catches a violation.
 */
const BAN = {
  nodeBuiltins: {
    regex:
      '^(node:|assert|buffer|crypto|dgram|dns|events|fs|http|net|os|path|process|stream|timers|tls|url|worker_threads)',
    message:
      'A protocol core has no I/O: take bytes and `now` in and give outputs back; drivers live in nat/node.',
  },
  natNode: { regex: '(^|/)node/|@parley/nat/node', message: 'The core does not know its drivers.' },
  natTesting: { regex: '(^|/)testing/|@parley/nat/testing', message: 'nat/testing is for tests only.' },
  natCore: { regex: '^@parley/nat($|/)', message: 'libs/protocol and libs/nat do not know each other.' },
  protocol: {
    regex: '^@parley/protocol($|/)',
    message: 'libs/protocol and libs/nat do not know each other.',
  },
  packages: {
    regex: '^(?!node:)[^.]',
    message: 'libs/nat depends on no package: crypto and randomness are injected.',
  },
  anyPackageButZod: { regex: '^(?!zod$)[^.]', message: 'libs/protocol depends on its schema library only.' },
  prisma: {
    regex: '^(@prisma/|pg$)|persistence/generated/',
    message: 'Prisma is imported by the persistence folder only; inject a repository.',
  },
  redis: {
    regex: '^redis$|^@redis/',
    message: 'Redis clients are imported by *.redis.ts only; inject the port.',
  },
  socketIo: {
    regex: '^socket\\.io($|/)',
    message: 'socket.io types are imported by the gateway folder only; services depend on a Notifier port.',
  },
  opus: {
    regex: '^libopus-wasm',
    message: 'Only voice/opus-codec.libopus.ts knows the codec library, so that it can be replaced.',
  },
  quic: {
    regex: '^@matrixai/quic',
    message: 'Only session/quic-engine.quiche.ts knows the QUIC binding, so that it can be replaced.',
  },
  portMapper: {
    regex: '^@achingbrain/',
    message:
      'Only port-mapping/upnp-mapper.nat-port-mapper.ts knows the UPnP library, so that it can be replaced.',
  },
  sdkInternals: {
    regex: '^\\.\\./(?!index\\.ts$)|^@parley/(nat|protocol)|^socket\\.io',
    message: 'The command line uses the public SDK only (../index.ts), as an app would.',
  },
};

const restrict = (files, bans, ignores = []) => ({
  files,
  ignores,
  rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns: bans }] },
});

const ENV_RULE = {
  selector: "MemberExpression[object.name='process'][property.name='env']",
  message: 'Settings come from the config loader only.',
};
const BARE_ERROR_RULE = {
  selector: "ThrowStatement > NewExpression[callee.name='Error']",
  message: 'Throw a typed error with a stable code (see errors.ts of the project).',
};
const AMBIENT = [
  'globalThis',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'Date',
  'performance',
  'process',
  'crypto',
  'Buffer',
  'console',
];
const CORE_FILES = ['libs/nat/src/**/*.ts', 'libs/protocol/src/**/*.ts'];
const SPECS = ['**/*.spec.ts', 'apps/*/src/**/testing/**/*.ts', 'test/**/*.ts'];

export default ts.config(
  { ignores: ['**/dist', '**/generated', '**/node_modules', '.nx', '**/coverage', '**/.data'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    files: ['**/*.mjs'],
    languageOptions: {
      globals: { process: 'readonly', console: 'readonly', URL: 'readonly', setTimeout: 'readonly' },
    },
  },
  ...ts.configs.strictTypeChecked.map((config) => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        {
          enforceBuildableLibDependency: true,
          allow: [],
          depConstraints: [
            { sourceTag: 'type:app', onlyDependOnLibsWithTags: ['type:lib'] },
            { sourceTag: 'scope:protocol', onlyDependOnLibsWithTags: [] },
            { sourceTag: 'scope:nat', onlyDependOnLibsWithTags: [] },
            { sourceTag: 'type:test', onlyDependOnLibsWithTags: ['type:lib', 'scope:edge-client'] },
            {
              sourceTag: 'type:tool',
              onlyDependOnLibsWithTags: ['type:lib', 'scope:edge-client', 'type:test'],
            },
          ],
        },
      ],
      '@typescript-eslint/no-extraneous-class': 'off', // Nest modules are empty classes
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'off', // Nest needs value imports for constructor injection
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-console': 'error',
      'no-empty': ['error', { allowEmptyCatch: false }],
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      complexity: ['error', 20],
      eqeqeq: 'error',
    },
  },
  // One TypeScript program per project: a shared list would build all of them to lint a file of the last.
  ...['libs/protocol', 'libs/nat', 'apps/supernode', 'apps/edge-client', 'test', 'tools'].map((project) => ({
    files: [`${project}/**/*.ts`],
    languageOptions: {
      parserOptions: { project: [`${project}/tsconfig.spec.json`], tsconfigRootDir: import.meta.dirname },
    },
  })),
  // Cores: no clock, no timer, no randomness, no process of their own.
  {
    files: CORE_FILES,
    ignores: ['libs/nat/src/node/**', ...SPECS],
    rules: {
      'no-restricted-globals': [
        'error',
        ...AMBIENT.map((name) => ({
          name,
          message:
            'Cores take `now`, bytes and injected ports; they own no clock, timer, randomness or process.',
        })),
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'Randomness is injected.' },
      ],
    },
  },
  {
    files: ['apps/*/src/**/*.ts', 'libs/*/src/**/*.ts'],
    ignores: ['**/config/load-config.ts', 'apps/edge-client/src/cli/**', ...SPECS],
    rules: { 'no-restricted-syntax': ['error', BARE_ERROR_RULE, ENV_RULE] },
  },
  {
    files: ['apps/*/src/config/load-config.ts', 'apps/edge-client/src/cli/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', BARE_ERROR_RULE] },
  },
  restrict(
    ['libs/nat/src/**/*.ts'],
    [BAN.nodeBuiltins, BAN.natNode, BAN.natTesting, BAN.packages],
    ['libs/nat/src/node/**', 'libs/nat/src/testing/**', ...SPECS],
  ),
  restrict(
    ['libs/nat/src/testing/**/*.ts'],
    [BAN.nodeBuiltins, BAN.natNode, BAN.packages],
    // asks the machine for a port, since processes under test listen on real ones
    ['libs/nat/src/testing/free-port.ts', ...SPECS],
  ),
  restrict(['libs/nat/src/testing/free-port.ts'], [BAN.natNode, BAN.packages]),
  restrict(['libs/nat/src/node/**/*.ts'], [BAN.natTesting, BAN.packages], SPECS),
  restrict(['libs/nat/src/**/*.spec.ts'], [BAN.protocol]),
  restrict(['libs/protocol/src/**/*.ts'], [BAN.nodeBuiltins, BAN.anyPackageButZod], SPECS),
  restrict(['libs/protocol/src/**/*.spec.ts'], [BAN.natCore]),
  restrict(
    ['apps/supernode/src/**/*.ts'],
    [BAN.prisma, BAN.redis, BAN.socketIo, BAN.natTesting],
    ['apps/supernode/src/persistence/**', 'apps/supernode/src/gateway/**', '**/*.redis.ts', ...SPECS],
  ),
  restrict(['apps/supernode/src/persistence/**/*.ts'], [BAN.redis, BAN.socketIo, BAN.natTesting], SPECS),
  restrict(['apps/supernode/src/gateway/**/*.ts'], [BAN.prisma, BAN.redis, BAN.natTesting], SPECS),
  restrict(['apps/supernode/src/**/*.redis.ts'], [BAN.prisma, BAN.socketIo, BAN.natTesting]),
  restrict(
    ['apps/edge-client/src/**/*.ts'],
    [BAN.quic, BAN.opus, BAN.portMapper, BAN.natTesting],
    [
      'apps/edge-client/src/cli/**',
      '**/quic-engine.quiche.ts',
      '**/opus-codec.libopus.ts',
      '**/upnp-mapper.nat-port-mapper.ts',
      ...SPECS,
    ],
  ),
  restrict(
    ['apps/edge-client/src/session/quic-engine.quiche.ts'],
    [BAN.opus, BAN.portMapper, BAN.natTesting],
  ),
  restrict(['apps/edge-client/src/voice/opus-codec.libopus.ts'], [BAN.quic, BAN.portMapper, BAN.natTesting]),
  restrict(
    ['apps/edge-client/src/port-mapping/upnp-mapper.nat-port-mapper.ts'],
    [BAN.quic, BAN.opus, BAN.natTesting],
  ),
  restrict(
    ['apps/edge-client/src/cli/**/*.ts'],
    [BAN.quic, BAN.opus, BAN.portMapper, BAN.sdkInternals],
    SPECS,
  ),
  { files: ['apps/edge-client/src/cli/**/*.ts', 'tools/**/*.ts'], rules: { 'no-console': 'off' } },
  {
    files: SPECS,
    rules: {
      'max-lines': ['error', { max: 600, skipBlankLines: true, skipComments: true }],
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
);
