import { describe, expect, it } from '@jest/globals';
import { testConfig } from '../config/testing/test-config.ts';
import { relaySettings, type HostAddresses } from './relay-settings.ts';

const ofHost: HostAddresses = () => ['198.18.0.10', '2001:db8::10'];
const settings = (env: Record<string, string>) => {
  const { edge, nat } = testConfig(env);
  return relaySettings({ hosts: edge.hosts, publicAddress: edge.publicAddress, nat }, ofHost);
};

describe('relaySettings', () => {
  it('binds and tells a plain host address', () => {
    const { listen, relay } = settings({
      SUPERNODE_HOST: '198.18.0.11',
      SUPERNODE_STUN_PORT: '3478',
      SUPERNODE_STUN_ALT_PORT: '3479',
    });

    expect(listen).toEqual([
      { address: '198.18.0.11', port: 3478, publicAddress: '198.18.0.11', alternatePort: 3479, tcp: true },
    ]);
    expect(relay).toEqual({
      ipv4: { bind: '198.18.0.11', advertised: '198.18.0.11' },
      portRange: { min: 49152, max: 65535 },
    });
  });

  it('tells the public address in place of the bound one, for its family only', () => {
    const { listen, relay } = settings({
      SUPERNODE_HOST: '10.0.0.5,2001:db8::5',
      SUPERNODE_PUBLIC_ADDRESS: '198.18.0.1',
    });

    expect(listen.map(({ publicAddress }) => publicAddress)).toEqual(['198.18.0.1', '2001:db8::5']);
    expect(relay).toMatchObject({
      ipv4: { bind: '10.0.0.5', advertised: '198.18.0.1' },
      ipv6: { bind: '2001:db8::5', advertised: '2001:db8::5' },
    });
  });

  it('tells an address of the host where a wildcard is bound', () => {
    const { relay } = settings({ SUPERNODE_HOST: '0.0.0.0,::' });

    expect(relay).toMatchObject({
      ipv4: { advertised: '198.18.0.10' },
      ipv6: { advertised: '2001:db8::10' },
    });
  });

  it('tells loopback where the host has nothing else', () => {
    const { edge, nat } = testConfig({ SUPERNODE_HOST: '0.0.0.0,::' });

    const { relay } = relaySettings({ hosts: edge.hosts, publicAddress: undefined, nat }, () => []);

    expect(relay).toMatchObject({ ipv4: { advertised: '127.0.0.1' }, ipv6: { advertised: '::1' } });
  });

  it('gives the alternate address to listeners of its family', () => {
    const { listen } = settings({
      SUPERNODE_HOST: '198.18.0.11,2001:db8::5',
      SUPERNODE_ALT_ADDRESS: '198.18.0.12',
    });

    expect(listen.map(({ alternateAddress }) => alternateAddress)).toEqual(['198.18.0.12', undefined]);
  });

  it('passes quotas, realm and allowed peers on', () => {
    expect(
      settings({
        SUPERNODE_RELAY_MAX_ALLOCATIONS_PER_USER: '3',
        SUPERNODE_RELAY_ALLOW_PEERS: '198.18.0.0/15',
        SUPERNODE_TURN_REALM: 'r',
      }),
    ).toMatchObject({
      realm: 'r',
      allowPeers: ['198.18.0.0/15'],
      quotas: { allocationsPerCredential: 3, allocations: 4096, allocationsPerAddress: 1024 },
    });
  });
});
