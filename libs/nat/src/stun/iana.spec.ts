/** The tables of this library against the IANA registry "Session Traversal Utilities for NAT (STUN) Parameters". */
import { AttributeType, isComprehensionRequired } from './attribute-type.ts';
import * as address from './attributes/address.ts';
import * as behaviour from './attributes/behaviour.ts';
import * as error from './attributes/error.ts';
import * as ice from './attributes/ice.ts';
import * as opaque from './attributes/opaque.ts';
import * as password from './attributes/password-algorithm.ts';
import { AlternateDomain, Nonce, Realm, Software, Username } from './attributes/text.ts';
import * as turn from './attributes/turn.ts';
import { REASON_PHRASES, StunErrorCode } from './error-code.ts';
import { Method } from './message-type.ts';

const REGISTERED_METHODS: readonly (readonly [number, string])[] = [
  [0x001, 'Binding'],
  [0x003, 'Allocate'],
  [0x004, 'Refresh'],
  [0x006, 'Send'],
  [0x007, 'Data'],
  [0x008, 'CreatePermission'],
  [0x009, 'ChannelBind'],
  [0x00a, 'Connect'],
  [0x00b, 'ConnectionBind'],
  [0x00c, 'ConnectionAttempt'],
  [0x080, 'GOOG-PING'],
];

const REGISTERED_ATTRIBUTES: readonly (readonly [number, string])[] = [
  [0x0001, 'MAPPED-ADDRESS'],
  [0x0003, 'CHANGE-REQUEST'],
  [0x0006, 'USERNAME'],
  [0x0008, 'MESSAGE-INTEGRITY'],
  [0x0009, 'ERROR-CODE'],
  [0x000a, 'UNKNOWN-ATTRIBUTES'],
  [0x000c, 'CHANNEL-NUMBER'],
  [0x000d, 'LIFETIME'],
  [0x0012, 'XOR-PEER-ADDRESS'],
  [0x0013, 'DATA'],
  [0x0014, 'REALM'],
  [0x0015, 'NONCE'],
  [0x0016, 'XOR-RELAYED-ADDRESS'],
  [0x0017, 'REQUESTED-ADDRESS-FAMILY'],
  [0x0018, 'EVEN-PORT'],
  [0x0019, 'REQUESTED-TRANSPORT'],
  [0x001a, 'DONT-FRAGMENT'],
  [0x001b, 'ACCESS-TOKEN'],
  [0x001c, 'MESSAGE-INTEGRITY-SHA256'],
  [0x001d, 'PASSWORD-ALGORITHM'],
  [0x001e, 'USERHASH'],
  [0x0020, 'XOR-MAPPED-ADDRESS'],
  [0x0022, 'RESERVATION-TOKEN'],
  [0x0024, 'PRIORITY'],
  [0x0025, 'USE-CANDIDATE'],
  [0x0026, 'PADDING'],
  [0x0027, 'RESPONSE-PORT'],
  [0x002a, 'CONNECTION-ID'],
  [0x8000, 'ADDITIONAL-ADDRESS-FAMILY'],
  [0x8001, 'ADDRESS-ERROR-CODE'],
  [0x8002, 'PASSWORD-ALGORITHMS'],
  [0x8003, 'ALTERNATE-DOMAIN'],
  [0x8004, 'ICMP'],
  [0x8022, 'SOFTWARE'],
  [0x8023, 'ALTERNATE-SERVER'],
  [0x8025, 'TRANSACTION_TRANSMIT_COUNTER'],
  [0x8027, 'CACHE-TIMEOUT'],
  [0x8028, 'FINGERPRINT'],
  [0x8029, 'ICE-CONTROLLED'],
  [0x802a, 'ICE-CONTROLLING'],
  [0x802b, 'RESPONSE-ORIGIN'],
  [0x802c, 'OTHER-ADDRESS'],
  [0x802d, 'ECN-CHECK STUN'],
  [0x802e, 'THIRD-PARTY-AUTHORIZATION'],
  [0x8030, 'MOBILITY-TICKET'],
];

const REGISTERED_ERROR_CODES: readonly (readonly [number, string])[] = [
  [300, 'Try Alternate'],
  [400, 'Bad Request'],
  [401, 'Unauthenticated'],
  [403, 'Forbidden'],
  [405, 'Mobility Forbidden'],
  [420, 'Unknown Attribute'],
  [437, 'Allocation Mismatch'],
  [438, 'Stale Nonce'],
  [440, 'Address Family not Supported'],
  [441, 'Wrong Credentials'],
  [442, 'Unsupported Transport Protocol'],
  [443, 'Peer Address Family Mismatch'],
  [446, 'Connection Already Exists'],
  [447, 'Connection Timeout or Failure'],
  [486, 'Allocation Quota Reached'],
  [487, 'Role Conflict'],
  [500, 'Server Error'],
  [508, 'Insufficient Capacity'],
];

/** 'XOR-MAPPED-ADDRESS', 'CreatePermission', 'Try Alternate' and XOR_MAPPED_ADDRESS and so on as one spelling. */
function plain(name: string): string {
  return name.replace(/[^A-Za-z0-9]/g, '').toLowerCase();
}

function expectRegistered(
  ours: Readonly<Record<string, number>>,
  registry: readonly (readonly [number, string])[],
): void {
  const names = new Map(registry.map(([number, name]) => [number, plain(name)]));
  const found = Object.fromEntries(
    Object.entries(ours).map(([name, number]) => [plain(name), names.get(number)]),
  );
  expect(found).toEqual(Object.fromEntries(Object.keys(ours).map((name) => [plain(name), plain(name)])));
}

describe('IANA registry', () => {
  it('has our methods under our numbers', () => {
    expectRegistered(Method, REGISTERED_METHODS);
  });

  it('has our attributes under our numbers; NOMINATION is the one that was never registered', () => {
    const { NOMINATION, ...registered } = AttributeType;

    expectRegistered(registered, REGISTERED_ATTRIBUTES);
    expect(NOMINATION).toBe(0xc001);
  });

  it('has our error codes under our numbers and with our reason phrases, all of them', () => {
    expectRegistered(StunErrorCode, REGISTERED_ERROR_CODES);
    expect(Object.entries(REASON_PHRASES).map(([code, phrase]) => [Number(code), phrase])).toEqual(
      REGISTERED_ERROR_CODES,
    );
  });

  it('divides the attribute types at 0x8000', () => {
    expect(isComprehensionRequired(0x7fff)).toBe(true);
    expect(isComprehensionRequired(0x8000)).toBe(false);
  });
});

describe('attribute codecs', () => {
  const codecs: Readonly<Record<string, unknown>> = {
    ...address,
    ...behaviour,
    ...error,
    ...ice,
    ...opaque,
    ...password,
    ...turn,
    AlternateDomain,
    Nonce,
    Realm,
    Software,
    Username,
  };

  it('exist once for every attribute type, under its name', () => {
    const typeByName: Record<string, number> = {};
    for (const [name, codec] of Object.entries(codecs)) {
      if (isCodec(codec)) typeByName[plain(name)] = codec.type;
    }

    expect(typeByName).toEqual(
      Object.fromEntries(Object.entries(AttributeType).map(([name, type]) => [plain(name), type])),
    );
  });

  function isCodec(value: unknown): value is { readonly type: number } {
    return typeof value === 'object' && value !== null && 'decode' in value && 'type' in value;
  }
});
