import { checkRemoteCandidate, type OwnScopes } from './remote-candidate-policy.ts';
import type { IceCandidate } from './candidate.ts';

const NOTHING_SPECIAL: OwnScopes = { has: () => false };
const EVERYTHING: OwnScopes = { has: () => true };

function candidate(
  address: string,
  overrides: Partial<IceCandidate> & { readonly port?: number } = {},
): IceCandidate {
  const { port = 5000, ...rest } = overrides;
  return { kind: 'host', priority: 1, foundation: '1', address: { family: 'ipv4', address, port }, ...rest };
}

describe('candidates of a peer', () => {
  it.each([
    ['3f1c8e1e-2a4b-4c0d-9e8f-000000000000.local', 'candidate-mdns'],
    ['ATTIC.LOCAL', 'candidate-mdns'],
    ['supernode.example', 'candidate-invalid-address'],
    ['127.1', 'candidate-invalid-address'],
    ['::ffff:192.0.2.1', 'candidate-invalid-address'],
    ['fe80::1%eth0', 'candidate-invalid-address'],
    ['0.0.0.0', 'candidate-unspecified'],
    ['0.1.2.3', 'candidate-unspecified'],
    ['::', 'candidate-unspecified'],
    ['224.0.0.251', 'candidate-multicast'],
    ['239.255.255.250', 'candidate-multicast'],
    ['255.255.255.255', 'candidate-multicast'],
    ['ff02::fb', 'candidate-multicast'],
    ['127.0.0.1', 'candidate-loopback'],
    ['127.8.8.8', 'candidate-loopback'],
    ['::1', 'candidate-loopback'],
    ['169.254.3.4', 'candidate-link-local'],
    ['fe80::1', 'candidate-link-local'],
    ['febf::1', 'candidate-link-local'],
  ])('refuses %s: %s', (address, reason) => {
    expect(checkRemoteCandidate(candidate(address), NOTHING_SPECIAL)).toEqual({ ok: false, reason });
  });

  it.each(['192.0.2.7', '10.0.0.5', '2001:db8::5', 'fec0::1'])('takes %s', (address) => {
    expect(checkRemoteCandidate(candidate(address), NOTHING_SPECIAL)).toMatchObject({ ok: true });
  });

  it.each(['127.0.0.1', '::1', '169.254.3.4', 'fe80::1'])(
    'takes %s where we have one of that sort',
    (address) => {
      expect(checkRemoteCandidate(candidate(address), EVERYTHING)).toMatchObject({ ok: true });
    },
  );

  it('gives the family and the spelling of the address, whatever the peer said', () => {
    expect(checkRemoteCandidate(candidate('2001:DB8:0:0::5'), NOTHING_SPECIAL)).toMatchObject({
      candidate: { address: { family: 'ipv6', address: '2001:db8::5', port: 5000 } },
    });
  });

  it.each([
    [{ port: 0 }, 'candidate-port-zero'],
    [{ port: 65_536 }, 'candidate-invalid-address'],
    [{ priority: 0 }, 'candidate-invalid'],
    [{ priority: 2 ** 31 }, 'candidate-invalid'],
    [{ priority: 1.5 }, 'candidate-invalid'],
    [{ foundation: '' }, 'candidate-invalid'],
    [{ foundation: 'a'.repeat(33) }, 'candidate-invalid'],
    [{ foundation: 'no spaces' }, 'candidate-invalid'],
  ])('refuses %j: %s', (overrides, reason) => {
    expect(checkRemoteCandidate(candidate('192.0.2.7', overrides), NOTHING_SPECIAL)).toEqual({
      ok: false,
      reason,
    });
  });
});
