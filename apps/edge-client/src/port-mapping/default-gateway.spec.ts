import { describe, expect, it } from '@jest/globals';
import { gatewayOfLinux, gatewayOfNetstat, gatewayOfWindows } from './default-gateway.ts';

const LINUX = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
wlan0	00000000	0101A8C0	0003	0	0	600	00000000	0	0	0
eth0	00000000	FE00A8C0	0003	0	0	100	00000000	0	0	0
tun0	00000000	00000000	0001	0	0	50	00000000	0	0	0
tun0	00000000	0100080A	0003	0	0	0	00000080	0	0	0
eth0	0000A8C0	00000000	0001	0	0	100	00FFFFFF	0	0	0
`;

const MACOS = `Routing tables

Internet:
Destination        Gateway            Flags           Netif Expire
default            link#12            UCSIg           utun3
default            192.168.1.1        UGScg             en0
127                127.0.0.1          UCS               lo0
`;

const WINDOWS = `===========================================================================
Aktive Routen:
     Netzwerkziel    Netzwerkmaske          Gateway    Schnittstelle Metrik
          0.0.0.0          0.0.0.0      192.168.1.1    192.168.1.50     50\r
          0.0.0.0          0.0.0.0         10.0.0.1       10.0.0.7     25\r
          0.0.0.0          0.0.0.0         Auf Verbindung   10.9.0.2      5\r
===========================================================================
`;

describe('the default gateway', () => {
  it('of Linux is the one of least cost, in the byte order of the machine', () => {
    expect(gatewayOfLinux(LINUX, 'LE')).toBe('192.168.0.254');
    expect(gatewayOfLinux(LINUX.replace('FE00A8C0', 'C0A800FE'), 'BE')).toBe('192.168.0.254');
  });

  it('of macOS is the first that is an address', () => {
    expect(gatewayOfNetstat(MACOS)).toBe('192.168.1.1');
  });

  it('of Windows is the one of least cost, in any language', () => {
    expect(gatewayOfWindows(WINDOWS)).toBe('10.0.0.1');
  });

  it('is none where the table has none', () => {
    expect(gatewayOfLinux('Iface\tDestination\n')).toBeUndefined();
    expect(gatewayOfNetstat('')).toBeUndefined();
    expect(gatewayOfWindows('')).toBeUndefined();
  });
});
