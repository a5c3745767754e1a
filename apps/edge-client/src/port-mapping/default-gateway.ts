import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { endianness } from 'node:os';
import { promisify } from 'node:util';
import { canonicalIpAddress } from '@parley/nat';

const run = promisify(execFile);

const ROUTED_BY_GATEWAY = 2;
const COMMAND_TIMEOUT_MS = 2000;
const MAX_TABLE_BYTES = 256 * 1024;

/**
 * IPv4 address of the default gateway, by the routing table of this machine; undefined where there is none.
 *
 * @throws what reading the table throws
 */
export async function findDefaultGateway(
  platform: NodeJS.Platform = process.platform,
): Promise<string | undefined> {
  switch (platform) {
    case 'linux':
    case 'android':
      return gatewayOfLinux(await readFile('/proc/self/net/route', 'utf8'));
    case 'win32':
      return gatewayOfWindows(await output('route', ['print', '-4', '0.0.0.0']));
    default:
      return gatewayOfNetstat(await output('netstat', ['-rn', '-f', 'inet']));
  }
}

/** `/proc/net/route`: numbers in hexadecimal, addresses in the byte order of the machine. */
export function gatewayOfLinux(table: string, order = endianness()): string | undefined {
  let best: { readonly gateway: string; readonly metric: number } | undefined;
  for (const line of table.split('\n').slice(1)) {
    const [, destination, gateway = '', flags = '', , , metric, mask] = line.trim().split(/\s+/);
    const isDefault = destination === '00000000' && mask === '00000000';
    if (!isDefault || (parseInt(flags, 16) & ROUTED_BY_GATEWAY) === 0) continue;
    const cost = Number(metric);
    if (best === undefined || cost < best.metric) best = { gateway, metric: cost };
  }
  if (best === undefined || !/^[0-9A-F]{8}$/i.test(best.gateway)) return undefined;
  const bytes = [...Buffer.from(best.gateway, 'hex')];
  return (order === 'LE' ? bytes.reverse() : bytes).join('.');
}

/** `netstat -rn -f inet` of macOS and the BSDs: `default  192.168.1.1  UGScg  en0`. */
export function gatewayOfNetstat(table: string): string | undefined {
  for (const line of table.split('\n')) {
    const [destination, gateway = ''] = line.trim().split(/\s+/);
    if (destination === 'default' || destination === '0.0.0.0') {
      const address = canonicalIpAddress(gateway);
      if (address !== undefined) return address;
    }
  }
  return undefined;
}

/** `route print -4 0.0.0.0` of Windows: destination, mask, gateway, interface, metric; in every language the same numbers. */
export function gatewayOfWindows(table: string): string | undefined {
  let best: { readonly gateway: string; readonly metric: number } | undefined;
  for (const line of table.split('\n')) {
    const [destination, mask, gateway = '', , metric] = line.trim().split(/\s+/);
    const address = canonicalIpAddress(gateway);
    if (destination !== '0.0.0.0' || mask !== '0.0.0.0' || address === undefined) continue;
    const cost = Number(metric);
    if (best === undefined || cost < best.metric) best = { gateway: address, metric: cost };
  }
  return best?.gateway;
}

async function output(command: string, args: readonly string[]): Promise<string> {
  const limits = { timeout: COMMAND_TIMEOUT_MS, maxBuffer: MAX_TABLE_BYTES, windowsHide: true };
  return (await run(command, args, limits)).stdout;
}
