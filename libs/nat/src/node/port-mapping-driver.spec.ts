import { once } from 'node:events';
import { createSocket, type Socket } from 'node:dgram';
import { afterEach, describe, expect, it } from '@jest/globals';
import { nodeCrypto } from './node-crypto.ts';
import { PortMappingDriver } from './port-mapping-driver.ts';
import { probePortMapping } from './port-mapping-probe.ts';

const GATEWAY = '127.0.0.1';
const SERVER_PORT = 5351;
const CLIENT_PORT = 5350;
const INTERNAL_PORT = 40_000;

/** A driver and what it told, each thing as it comes. */
async function openDriver() {
  const told: string[] = [];
  const waiting = new Map<string, () => void>();
  const tell = (event: string): void => {
    told.push(event);
    waiting.get(event)?.();
  };
  const driver = await PortMappingDriver.open({
    crypto: nodeCrypto,
    gateway: GATEWAY,
    internalPort: INTERNAL_PORT,
    events: {
      mapped: ({ address, port }, protocol) => tell(`${protocol} ${address}:${port}`),
      lost: (cause) => tell(`lost ${cause}`),
      silent: () => tell('silent'),
      refused: (protocol, result) => tell(`${protocol} refused ${result}`),
      drop: (reason) => tell(`drop ${reason}`),
    },
  });
  const until = (event: string) =>
    new Promise<void>((resolve) => {
      if (told.includes(event)) resolve();
      else waiting.set(event, resolve);
    });
  return { driver, told, until };
}

describe('asking a gateway over real sockets', () => {
  let gateway: Socket | undefined;

  afterEach(() => {
    gateway?.close();
    gateway = undefined;
  });

  /** A gateway as RFC 6886 describes it, which has never heard of PCP. */
  const serveNatPmp = async () => {
    const lifetimes: number[] = [];
    const socket = createSocket('udp4');
    gateway = socket;
    socket.on('message', (request, { port, address }) => {
      const response = Buffer.alloc(request[1] === 0 ? 12 : 16);
      response[1] = 0x80 | (request[1] ?? 0);
      if (request[0] !== 0) response.writeUInt16BE(1, 2);
      else if (request[1] === 0) response.set([9, 9, 9, 9], 8);
      else {
        const lifetime = request.readUInt32BE(8);
        lifetimes.push(lifetime);
        response.writeUInt16BE(request.readUInt16BE(4), 8);
        response.writeUInt16BE(lifetime === 0 ? 0 : 50_000, 10);
        response.writeUInt32BE(lifetime, 12);
      }
      socket.send(response, port, address);
    });
    socket.bind(SERVER_PORT, GATEWAY);
    await once(socket, 'listening');
    return lifetimes;
  };

  it('steps down to NAT-PMP, and gives the port back', async () => {
    const lifetimes = await serveNatPmp();
    const { driver, told, until } = await openDriver();

    await until('nat-pmp 9.9.9.9:50000');
    expect(driver.external).toMatchObject({ port: 50_000 });
    expect(driver.client).toBe(GATEWAY);
    await driver.close();

    expect(lifetimes).toEqual([3600, 0]);
    expect(told).toEqual(['nat-pmp 9.9.9.9:50000']);
  });

  it('hears at once that the port is closed', async () => {
    const { driver, told, until } = await openDriver();
    await until('silent');
    await driver.close();
    expect(told).toEqual(['silent']);
  });

  it('believes no announcement of strangers', async () => {
    await serveNatPmp();
    const { driver, until } = await openDriver();
    await until('nat-pmp 9.9.9.9:50000');
    const stranger = createSocket('udp4');
    stranger.send(Uint8Array.of(0, 0x80, 0, 0, 0, 0, 0, 1, 6, 6, 6, 6), CLIENT_PORT, GATEWAY);

    await until('drop announcement-of-a-stranger');
    expect(driver.external).toMatchObject({ address: '9.9.9.9' });
    stranger.close();
    await driver.close();
  });

  it('tells which protocol a gateway speaks', async () => {
    expect(await probePortMapping(GATEWAY, 2000)).toEqual({ pcp: false, natPmp: false });
    await serveNatPmp();
    expect(await probePortMapping(GATEWAY, 300)).toEqual({ pcp: false, natPmp: true });
  });
});
