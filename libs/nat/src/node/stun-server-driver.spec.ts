import { once } from 'node:events';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { NatError } from '../errors.ts';
import { transportAddress } from '../net/ip-address.ts';
import { XorMappedAddress } from '../stun/attributes/address.ts';
import { ChangeRequest } from '../stun/attributes/behaviour.ts';
import { StunMessageBuilder } from '../stun/message-builder.ts';
import { Method } from '../stun/message-type.ts';
import { decodeStunMessage, type StunMessage } from '../stun/message.ts';
import { newTransactionId } from '../stun/transaction-id.ts';
import { nodeCrypto } from './node-crypto.ts';
import { StunServerDriver, type StunServerDriverOptions } from './stun-server-driver.ts';

const DEADLINE_MS = 20_000;

async function withServer(
  options: StunServerDriverOptions,
  test: (server: StunServerDriver) => Promise<void>,
): Promise<void> {
  const server = await StunServerDriver.open(options);
  try {
    await test(server);
  } finally {
    await server.close();
  }
}

async function exchange(
  client: Socket,
  request: Uint8Array,
  to: { readonly address: string; readonly port: number },
): Promise<{ message: StunMessage; from: RemoteInfo }> {
  const answered = once(client, 'message', { signal: AbortSignal.timeout(DEADLINE_MS) });
  client.send(request, to.port, to.address);
  const [bytes, from] = (await answered) as [Uint8Array, RemoteInfo];
  const decoded = decodeStunMessage(bytes);
  if (!decoded.ok) throw new TypeError(decoded.reason);
  return { message: decoded.message, from };
}

async function openClient(address: string): Promise<Socket> {
  const client = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  client.bind(0, address);
  await once(client, 'listening');
  return client;
}

const binding = (): StunMessageBuilder =>
  new StunMessageBuilder('request', Method.BINDING, newTransactionId(nodeCrypto));

describe('StunServerDriver', () => {
  it.each(['127.0.0.1', '::1'])('tells a client on %s its address', async (address) => {
    await withServer({ bind: { primary: transportAddress(address, 0) } }, async (server) => {
      const client = await openClient(address);

      const { message, from } = await exchange(client, binding().toBytes(), server.addresses.primary);

      expect(message.get(XorMappedAddress)).toEqual(transportAddress(address, client.address().port));
      expect(from.port).toBe(server.addresses.primary.port);
      expect(server.stats()).toEqual({ responses: 1, errors: {}, drops: {}, socketErrors: 0 });
      client.close();
    });
  });

  it('answers from the socket that CHANGE-REQUEST names', async () => {
    const bind = {
      primary: transportAddress('127.0.0.1', 0),
      alternateAddress: '127.0.0.2',
      alternatePort: 0,
    };
    await withServer({ bind }, async (server) => {
      const client = await openClient('127.0.0.1');
      const { primary, alternatePort } = server.addresses;

      const request = binding().add(ChangeRequest, { changeAddress: true, changePort: true });
      const { from } = await exchange(client, request.toBytes(), primary);

      expect([from.address, from.port]).toEqual(['127.0.0.2', alternatePort]);
      client.close();
    });
  });

  it('survives rubbish and counts it', async () => {
    await withServer({ bind: { primary: transportAddress('127.0.0.1', 0) } }, async (server) => {
      const client = await openClient('127.0.0.1');
      const { address, port } = server.addresses.primary;
      client.send(Uint8Array.of(1, 2, 3), port, address);

      await exchange(client, binding().toBytes(), server.addresses.primary);

      expect(server.stats().drops).toEqual({ 'too-short': 1 });
      client.close();
    });
  });

  it('says that a port is taken, and keeps none of the others', async () => {
    await withServer({ bind: { primary: transportAddress('127.0.0.1', 0) } }, async (taken) => {
      const bind = { primary: transportAddress('127.0.0.1', 0), alternatePort: taken.addresses.primary.port };

      const failure: unknown = await StunServerDriver.open({ bind }).catch((error: unknown) => error);

      expect(failure).toBeInstanceOf(NatError);
      expect(failure).toMatchObject({ code: 'NAT_BIND_FAILED', cause: { code: 'EADDRINUSE' } });
    });
  });

  it('closes twice without harm', async () => {
    const server = await StunServerDriver.open({ bind: { primary: transportAddress('127.0.0.1', 0) } });

    await server.close();

    await expect(server.close()).resolves.toBeUndefined();
  });
});
