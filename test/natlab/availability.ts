import { spawnSync } from 'node:child_process';
import { administrationEnvironment } from './administration.ts';

/** How the lab gets its namespaces: as root directly, else through an unprivileged user namespace. */
export type Privilege = 'root' | 'user-namespace';

/** Whether real kernel NATs can be built on this machine, and if not, why. */
export type LabAvailability =
  | { readonly kind: 'kernel-nat'; readonly privilege: Privilege }
  | { readonly kind: 'unavailable'; readonly reason: string };

/** `unshare` options that make a fresh network and mount namespace with the given privilege. */
export function unshareOptions(privilege: Privilege): string[] {
  const fresh = ['--net', '--mount', '--propagation', 'private'];
  return privilege === 'root' ? fresh : ['--user', '--map-root-user', ...fresh];
}

/** Everything the lab does to the machine, once, in a namespace that vanishes: tools, mounts, kernel modules. */
const REHEARSAL = `
mount -t tmpfs rehearsal /run && mkdir /run/netns && ip netns add rehearsal &&
ip link add name near type veth peer name wan netns rehearsal && ip link set near up &&
setpriv --pdeathsig KILL nsenter --net=/run/netns/rehearsal nft -f - <<'END'
table ip nat {
  map learnt { typeof udp dport : ip daddr . udp dport; size 64; flags dynamic,timeout; timeout 120s; }
  chain pre { type nat hook prerouting priority dstnat; iifname "wan" meta l4proto udp dnat to udp dport map @learnt; }
  chain post { type nat hook postrouting priority srcnat; oifname "wan" masquerade random,fully-random; }
}
table inet filter {
  counter seen { }
  chain forward { type filter hook forward priority filter; ct state new counter name seen reject with icmpx admin-prohibited; }
}
END
`;

function rehearse(privilege: Privilege): string | undefined {
  const result = spawnSync('unshare', [...unshareOptions(privilege), 'sh', '-c', REHEARSAL], {
    encoding: 'utf8',
    env: administrationEnvironment(),
  });
  if (result.status === 0) return undefined;
  const complaint = result.error?.message ?? result.stderr.trim().split('\n')[0];
  return `${privilege}: ${complaint ?? `exit code ${String(result.status)}`}`;
}

let answer: LabAvailability | undefined;

/** Tries on this machine, once per process, what the lab needs; leaves nothing behind. */
export function labAvailability(): LabAvailability {
  answer ??= determineAvailability();
  return answer;
}

function determineAvailability(): LabAvailability {
  if (process.platform !== 'linux') {
    return {
      kind: 'unavailable',
      reason: `kernel NATs need Linux network namespaces; this is ${process.platform}`,
    };
  }
  const privileges: readonly Privilege[] =
    process.getuid?.() === 0 ? ['root', 'user-namespace'] : ['user-namespace'];
  const complaints: string[] = [];
  for (const privilege of privileges) {
    const complaint = rehearse(privilege);
    if (complaint === undefined) return { kind: 'kernel-nat', privilege };
    complaints.push(complaint);
  }
  return { kind: 'unavailable', reason: complaints.join('; ') };
}
