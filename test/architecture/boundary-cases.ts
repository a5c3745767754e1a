/** One ban of the linter: a snippet that breaks it, and the same import or call where it is allowed. */
export interface BoundaryCase {
  readonly title: string;
  readonly rule: string;
  readonly forbidden: Snippet;
  readonly allowed: Snippet;
}

/** Code as if it stood in `file`, which need not exist. */
export interface Snippet {
  readonly file: string;
  readonly code: string;
}

const IMPORTS = '@typescript-eslint/no-restricted-imports';
const PROJECTS = '@nx/enforce-module-boundaries';
const GLOBALS = 'no-restricted-globals';
const PROPERTIES = 'no-restricted-properties';
const SYNTAX = 'no-restricted-syntax';

const importing = (source: string): string => `import { x } from '${source}';\nexport const y = x;\n`;

/** The same import in a file that must not have it and in one that may. */
function importCase(
  title: string,
  source: string,
  forbidden: string,
  allowed: string,
  rule = IMPORTS,
): BoundaryCase {
  const code = importing(source);
  return { title, rule, forbidden: { file: forbidden, code }, allowed: { file: allowed, code } };
}

/** The same statement in a file that must not have it and in one that may. */
function codeCase(
  title: string,
  code: string,
  rule: string,
  forbidden: string,
  allowed: string,
): BoundaryCase {
  return { title, rule, forbidden: { file: forbidden, code }, allowed: { file: allowed, code } };
}

const NAT_CORE = 'libs/nat/src/stun/example.ts';
const NAT_DRIVER = 'libs/nat/src/node/example.ts';
const NAT_TESTING = 'libs/nat/src/testing/example.ts';
const NAT_SPEC = 'libs/nat/src/stun/example.spec.ts';
const PROTOCOL = 'libs/protocol/src/example.ts';
const PROTOCOL_SPEC = 'libs/protocol/src/example.spec.ts';
const SUPERNODE = 'apps/supernode/src/presence/example.ts';
const PERSISTENCE = 'apps/supernode/src/persistence/example.ts';
const GATEWAY = 'apps/supernode/src/gateway/example.ts';
const REDIS = 'apps/supernode/src/presence/presence.redis.ts';
const SDK = 'apps/edge-client/src/session/example.ts';
const OPUS_CODEC = 'apps/edge-client/src/voice/opus-codec.libopus.ts';
const QUIC_ENGINE = 'apps/edge-client/src/session/quic-engine.quiche.ts';
const PORT_MAPPER = 'apps/edge-client/src/port-mapping/upnp-mapper.nat-port-mapper.ts';
const CLI = 'apps/edge-client/src/cli/example.ts';

const ambientCases = [
  ['the clock', 'export const now = Date.now();\n'],
  ['a global by the back door', 'export const now = globalThis.Date.now();\n'],
  ['the performance clock', 'export const now = performance.now();\n'],
  ['a timer', 'setTimeout(() => undefined, 1);\n'],
  ['an interval', 'setInterval(() => undefined, 1);\n'],
  ['an immediate', 'setImmediate(() => undefined);\n'],
  ['a microtask', 'queueMicrotask(() => undefined);\n'],
  ['randomness of the platform', 'export const id = crypto.randomUUID();\n'],
  ['the process', 'export const id = process.pid;\n'],
  ['the console', "console.log('x');\n"],
  ['buffers of Node', 'export const bytes = Buffer.alloc(1);\n'],
] as const;

/** At least one case per ban of `eslint.config.mjs`; the spec fails for a ban that has none. */
export const BOUNDARY_CASES: readonly BoundaryCase[] = [
  ...ambientCases.map(([what, code]) =>
    codeCase(`a NAT core uses ${what}`, code, GLOBALS, NAT_CORE, NAT_DRIVER),
  ),
  codeCase('libs/protocol reads the clock', 'export const now = Date.now();\n', GLOBALS, PROTOCOL, SUPERNODE),
  codeCase('a NAT core rolls dice', 'export const x = Math.random();\n', PROPERTIES, NAT_CORE, NAT_DRIVER),
  importCase('a NAT core opens a socket', 'node:dgram', NAT_CORE, NAT_DRIVER),
  importCase('a NAT core opens a socket under the old name', 'dgram', NAT_CORE, SUPERNODE),
  importCase('libs/protocol reads files', 'node:fs', PROTOCOL, SUPERNODE),
  importCase('a NAT core knows its drivers', '../node/example.ts', NAT_CORE, 'libs/nat/src/node/other.ts'),
  importCase('a NAT core uses the test support', '../testing/example.ts', NAT_CORE, NAT_SPEC),
  importCase('a NAT driver uses the test support', '../testing/example.ts', NAT_DRIVER, NAT_SPEC),
  importCase('the test support opens a socket', 'node:dgram', NAT_TESTING, NAT_DRIVER),
  importCase('a NAT core depends on a package', 'rxjs', NAT_CORE, SUPERNODE),
  importCase('libs/protocol depends on a package besides its schema library', 'rxjs', PROTOCOL, SUPERNODE),
  {
    title: 'libs/protocol uses another schema library',
    rule: IMPORTS,
    forbidden: { file: PROTOCOL, code: importing('ajv') },
    allowed: { file: PROTOCOL, code: importing('zod') },
  },
  importCase('libs/nat knows libs/protocol', '@parley/protocol', NAT_CORE, SUPERNODE, PROJECTS),
  importCase('a spec of libs/nat knows libs/protocol', '@parley/protocol', NAT_SPEC, SDK),
  importCase('libs/protocol knows libs/nat', '@parley/nat', PROTOCOL, SDK, PROJECTS),
  importCase('a spec of libs/protocol knows libs/nat', '@parley/nat', PROTOCOL_SPEC, SUPERNODE),
  importCase('a library knows an app', '@parley/edge-client', NAT_DRIVER, 'tools/demo/example.ts', PROJECTS),
  importCase(
    'the supernode knows the edge client',
    '@parley/edge-client',
    SUPERNODE,
    'test/example.ts',
    PROJECTS,
  ),
  {
    title: 'the edge client knows the supernode',
    rule: PROJECTS,
    forbidden: { file: SDK, code: importing('@parley/supernode') },
    allowed: { file: SUPERNODE, code: importing('../main.ts') },
  },
  {
    title: 'a project reaches into another by a relative path',
    rule: PROJECTS,
    forbidden: { file: SUPERNODE, code: importing('../../../../libs/nat/src/index.ts') },
    allowed: { file: SUPERNODE, code: importing('@parley/nat') },
  },
  importCase('a service talks to Prisma', '@prisma/client', SUPERNODE, PERSISTENCE),
  importCase('a service talks to PostgreSQL', 'pg', SUPERNODE, PERSISTENCE),
  importCase(
    'a service uses the generated client',
    '../persistence/generated/client.ts',
    SUPERNODE,
    PERSISTENCE,
  ),
  importCase('the gateway talks to Prisma', '@prisma/client', GATEWAY, PERSISTENCE),
  importCase('a service talks to Redis', 'redis', SUPERNODE, REDIS),
  importCase('persistence talks to Redis', '@redis/client', PERSISTENCE, REDIS),
  importCase('a service sees socket.io', 'socket.io', SUPERNODE, GATEWAY),
  importCase('a Redis implementation sees socket.io', 'socket.io', REDIS, GATEWAY),
  importCase(
    'the supernode ships test support',
    '@parley/nat/testing',
    SUPERNODE,
    'apps/supernode/src/nat/a.spec.ts',
  ),
  importCase(
    'the SDK ships test support',
    '@parley/nat/testing',
    SDK,
    'apps/edge-client/src/session/example.spec.ts',
  ),
  importCase('the SDK knows the QUIC binding elsewhere', '@matrixai/quic/native/quiche.js', SDK, QUIC_ENGINE),
  importCase('the SDK knows the Opus library elsewhere', 'libopus-wasm', SDK, OPUS_CODEC),
  importCase('the SDK knows the UPnP library elsewhere', '@achingbrain/nat-port-mapper', SDK, PORT_MAPPER),
  importCase('the command line knows the UPnP library', '@achingbrain/nat-port-mapper', CLI, PORT_MAPPER),
  importCase('the command line knows the Opus library', 'libopus-wasm', CLI, OPUS_CODEC),
  importCase('the command line knows the QUIC binding', '@matrixai/quic', CLI, QUIC_ENGINE),
  importCase(
    'the command line reaches into the SDK',
    '../session/session.ts',
    CLI,
    'apps/edge-client/src/client/a.ts',
  ),
  importCase('the command line goes around the SDK', '@parley/nat', CLI, SDK),
  {
    title: 'the command line uses anything but the public entry point',
    rule: IMPORTS,
    forbidden: { file: CLI, code: importing('../client/edge-client.ts') },
    allowed: { file: CLI, code: importing('../index.ts') },
  },
  codeCase(
    'a service reads the environment',
    'export const x = process.env.HOME;\n',
    SYNTAX,
    SUPERNODE,
    'apps/supernode/src/config/load-config.ts',
  ),
  {
    title: 'an error without a code is thrown',
    rule: SYNTAX,
    forbidden: { file: SUPERNODE, code: "export function f(): never {\n  throw new Error('x');\n}\n" },
    allowed: {
      file: SUPERNODE,
      code: "export function f(): never {\n  throw new SupernodeError('SN_X', 'x');\n}\n",
    },
  },
];
