import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What a command runs besides Node, and the Debian package that brings it. */
const NAT_LAB = [
  { binary: 'ip', package: 'iproute2' },
  { binary: 'nft', package: 'nftables' },
];
const OPENSSL = { binary: 'openssl', package: 'openssl' };
const REDIS = { binary: 'redis-server', package: 'redis-server', service: 'redis-server' };
const NEEDED = {
  test: [
    ...NAT_LAB,
    OPENSSL,
    { binary: 'turnserver', package: 'coturn', service: 'coturn' },
    { binary: 'miniupnpd', package: 'miniupnpd-nftables' },
    REDIS,
  ],
  demo: NAT_LAB,
  'demo-cluster': [REDIS],
  bench: [...NAT_LAB, OPENSSL, REDIS],
};

/** Debian keeps administration tools out of an ordinary user's PATH. */
export const ADMIN_PATH = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

const POLICY_FILE = '/usr/sbin/policy-rc.d';

function isInstalled(binary) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...ADMIN_PATH];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, binary), constants.X_OK);
      return true;
    } catch {
      return false; // not in this folder
    }
  });
}

function apt(args, say) {
  const result = spawnSync('apt-get', args, {
    stdio: ['ignore', process.stderr, process.stderr],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (result.status !== 0) say(`apt-get ${args[0]} failed with exit code ${result.status ?? result.signal}`);
  return result.status === 0;
}

/**
 * Runs an installation during which no package may start its service: Debian's maintainer scripts ask the
 * policy file first. A policy that the machine already has is left as it is.
 */
function withServicesHeldBack(install) {
  if (existsSync(POLICY_FILE)) return install();
  writeFileSync(POLICY_FILE, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return install();
  } finally {
    rmSync(POLICY_FILE, { force: true });
  }
}

/** The packages that a command needs and this machine misses. */
export function missingPackages(command) {
  return (NEEDED[command] ?? []).filter(({ binary }) => !isInstalled(binary));
}

/**
 * Installs what `command` needs and misses where that is possible (root on a Debian-like system). Elsewhere it
 * says what is missing and goes on: only what needs the packages is affected, and reports that itself.
 */
export function ensureSystemPackages(command, say) {
  const missing = process.platform === 'linux' ? missingPackages(command) : [];
  if (missing.length === 0) return;
  const names = missing.map((entry) => entry.package);
  if (process.getuid?.() !== 0 || !isInstalled('apt-get')) {
    say(
      `missing system packages: ${names.join(' ')} (as root: apt-get install ${names.join(' ')}); going on without them`,
    );
    return;
  }
  say(`installing missing system packages: ${names.join(' ')}`);
  const installed = withServicesHeldBack(
    () =>
      apt(['update', '-qq'], say) && apt(['install', '-y', '-qq', '--no-install-recommends', ...names], say),
  );
  if (!installed) say(`going on without ${names.join(' ')}`);
  for (const { service } of missing) {
    if (!installed || service === undefined) continue;
    spawnSync('service', [service, 'stop'], { stdio: 'ignore' });
    spawnSync('update-rc.d', [service, 'disable'], { stdio: 'ignore' });
  }
}
