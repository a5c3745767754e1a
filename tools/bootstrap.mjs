import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installationMatchesLock } from './installed-packages.mjs';
import { ADMIN_PATH, ensureSystemPackages } from './system-packages.mjs';

/**
 * Makes `npm test`, `npm run demo`, `npm run bench` and `npm start` work on a fresh checkout: installs and builds
 * what is missing or stale, then runs the command. It uses no package, since none may be installed yet, and it
 * writes to standard error only, since standard output belongs to the command.
 */
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const MINIMUM_NODE = [20, 19];
const MINIMUM_NODE_TEXT = MINIMUM_NODE.join('.');

const COMMANDS = {
  test: ['--experimental-vm-modules', '--no-warnings=ExperimentalWarning', 'node_modules/jest/bin/jest.js'],
  demo: ['tools/dist/demo/main.js'],
  bench: ['tools/dist/bench/main.js'],
  start: ['apps/supernode/dist/main.js'],
};

function say(text) {
  process.stderr.write(`[parley] ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}

function requireNodeVersion() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const recent = major > MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor >= MINIMUM_NODE[1]);
  if (!recent) fail(`Node ${MINIMUM_NODE_TEXT} or newer is needed; this is ${process.versions.node}`);
}

/** No dependency needs its install script, so none is run: several would try to download binaries. */
function install() {
  if (installationMatchesLock(ROOT)) return;
  say('installing npm packages (npm ci)');
  const options = ['--include=dev', '--include=optional', '--ignore-scripts', '--no-audit', '--no-fund'];
  const { status, error } = spawnSync('npm', ['ci', ...options], {
    cwd: ROOT,
    stdio: ['ignore', process.stderr, process.stderr],
    shell: process.platform === 'win32',
  });
  if (status !== 0) fail(`npm ci failed: ${error?.message ?? `exit code ${status}`}`);
}

/** Nx builds only what changed and is quiet about it; its daemon would outlive the command. */
function build() {
  const nx = ['node_modules/nx/dist/bin/nx.js', 'run-many', '-t', 'build', '--output-style=static'];
  say('building what has changed (nx run-many -t build)');
  const { status, stdout, stderr } = spawnSync(process.execPath, nx, {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, NX_DAEMON: 'false', NX_TUI: 'false' },
  });
  if (status === 0) return;
  process.stderr.write(stdout + stderr);
  fail(`the build failed with exit code ${status}`);
}

function run(args) {
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, PATH: [process.env.PATH, ...ADMIN_PATH].join(delimiter) },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => fail(`cannot run ${args.join(' ')}: ${error.message}`));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

const [command, ...rest] = process.argv.slice(2);
const program = COMMANDS[command];
if (program === undefined)
  fail(`usage: node tools/bootstrap.mjs ${Object.keys(COMMANDS).join('|')} [arguments]`);
requireNodeVersion();
install();
build();
const isClusterDemo = command === 'demo' && rest.includes('cluster');
ensureSystemPackages(isClusterDemo ? 'demo-cluster' : command, say);
run([...program, ...rest]);
