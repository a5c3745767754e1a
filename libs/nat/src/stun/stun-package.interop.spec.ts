/** The independent npm package `stun` as a second opinion on the bytes that this codec writes and reads. */
import { createRequire } from 'node:module';
import { transportAddress } from '../net/ip-address.ts';
import { nodeCrypto } from '../node/node-crypto.ts';
import { instant } from '../time/instant.ts';
import { XorMappedAddress } from './attributes/address.ts';
import { IceControlling, Priority } from './attributes/ice.ts';
import { Software, Username } from './attributes/text.ts';
import { shortTermKey } from './credentials.ts';
import { verifyFingerprint } from './fingerprint.ts';
import { verifyMessageIntegrity } from './integrity.ts';
import { StunMessageBuilder } from './message-builder.ts';
import { Method } from './message-type.ts';
import { decodeStunMessage } from './message.ts';
import { StunServer } from './stun-server.ts';

/** The part of the untyped package that is used here. */
interface StunPackage {
  readonly constants: { readonly STUN_BINDING_REQUEST: number; readonly STUN_BINDING_RESPONSE: number };
  createMessage(type: number, transactionId?: Uint8Array): PackageMessage;
  encode(message: PackageMessage): Uint8Array;
  decode(bytes: Uint8Array): PackageMessage;
  validateFingerprint(message: PackageMessage): boolean;
  validateMessageIntegrity(message: PackageMessage, key: string): boolean;
}
interface PackageMessage {
  readonly transactionId: Uint8Array;
  addXorAddress(address: string, port: number): void;
  addUsername(username: string): void;
  addSoftware(software: string): void;
  addPriority(priority: number): void;
  addMessageIntegrity(key: string): void;
  addFingerprint(): void;
  getXorAddress(): { address: string; port: number; family: string };
}

const stun = createRequire(import.meta.url)('stun') as StunPackage;
const ID = Uint8Array.from({ length: 12 }, (_, index) => index * 7);
const PASSWORD = 'VOkJxbRl1RmTxUk/WvJxBt';

describe('npm package stun', () => {
  it('gets its reflexive address from our server', () => {
    const request = stun.createMessage(stun.constants.STUN_BINDING_REQUEST);
    const server = new StunServer({ crypto: nodeCrypto });
    const from = transportAddress('203.0.113.77', 40_000);

    const [output] = server.handle(
      { kind: 'datagram', bytes: stun.encode(request), from, socket: 'primary' },
      instant(0),
    );

    if (output?.kind !== 'send') throw new TypeError('no reply');
    const response = stun.decode(Buffer.from(output.bytes));
    expect(Buffer.from(response.transactionId).equals(Buffer.from(request.transactionId))).toBe(true);
    expect(response.getXorAddress()).toMatchObject({ address: '203.0.113.77', port: 40_000 });
  });

  it('verifies what our builder signs', () => {
    const bytes = new StunMessageBuilder('request', Method.BINDING, ID)
      .add(Username, 'evtj:h6vY')
      .add(Priority, 0x6e0001ff)
      .add(IceControlling, 1n)
      .addMessageIntegrity(nodeCrypto, shortTermKey(PASSWORD))
      .addFingerprint(nodeCrypto)
      .toBytes();

    const message = stun.decode(Buffer.from(bytes));

    expect(stun.validateMessageIntegrity(message, PASSWORD)).toBe(true);
    expect(stun.validateFingerprint(message)).toBe(true);
  });

  it.each(['192.0.2.1', '2001:db8::1'])('signs and says %s what we read and verify', (address) => {
    const message = stun.createMessage(stun.constants.STUN_BINDING_RESPONSE, Buffer.from(ID));
    message.addXorAddress(address, 32_853);
    message.addSoftware('test vector');
    message.addMessageIntegrity(PASSWORD);
    message.addFingerprint();

    const decoded = decodeStunMessage(stun.encode(message));

    if (!decoded.ok) throw new TypeError(decoded.reason);
    expect(decoded.message.get(XorMappedAddress)).toEqual(transportAddress(address, 32_853));
    expect(decoded.message.get(Software)).toBe('test vector');
    expect(verifyMessageIntegrity(decoded.message, nodeCrypto, shortTermKey(PASSWORD))).toBe(true);
    expect(verifyFingerprint(decoded.message, nodeCrypto)).toBe(true);
  });
});
