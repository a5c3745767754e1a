import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { accepted, refused } from './acknowledgement.ts';
import { encodeBase64url } from './encoding/base64url.ts';
import { WIRE_ERROR_CODES, WIRE_ERRORS } from './error-code.ts';
import { CLIENT_REQUESTS, SERVER_EVENTS, type ClientRequestName } from './events.ts';
import { deviceIdSchema, handleSchema, tenantIdSchema, userIdSchema } from './ids.ts';
import { decodeLinkCode, encodeLinkCode } from './link-code.ts';
import { LIMITS } from './limits.ts';
import { leadingZeroBits, puzzleInput } from './puzzle.ts';
import { candidateSchema } from './signed/session.ts';
import { decodePayload, signingInput, SIGNING_CONTEXTS, type SigningContext } from './signed/signed.ts';
import { authenticationProofSchema } from './signed/authentication.ts';
import { negotiateVersion } from './version.ts';

describe('requests and events', () => {
  it.each(Object.keys(CLIENT_REQUESTS) as ClientRequestName[])(
    '%s: any input is parsed or refused, never thrown at',
    (name) => {
      const { request } = CLIENT_REQUESTS[name];
      fc.assert(
        fc.property(fc.anything(), (input) => {
          expect(typeof request.safeParse(input).success).toBe('boolean');
        }),
        { numRuns: 50 },
      );
    },
  );

  it('have names that socket.io does not use itself', () => {
    const reserved = [
      'connect',
      'connect_error',
      'disconnect',
      'disconnecting',
      'newListener',
      'removeListener',
    ];
    for (const name of [...Object.keys(CLIENT_REQUESTS), ...Object.keys(SERVER_EVENTS)])
      expect(reserved).not.toContain(name);
  });
});

describe('acknowledgements', () => {
  it.each(WIRE_ERROR_CODES)('say of %s what the code table says', (code) => {
    expect(refused(code, 'why')).toEqual({
      ok: false,
      error: { code, message: 'why', retryable: WIRE_ERRORS[code].retryable },
    });
  });

  it('round a waiting time up and leave out what was not given', () => {
    expect(refused('RATE_LIMITED', 'wait', 0.2)).toMatchObject({ error: { retryAfterMs: 1 } });
    expect(
      refused('BUSY', 'later', 0, { windowMs: 9.5, alternates: ['https://sn2.example.net'] }),
    ).toMatchObject({
      error: { retryAfterMs: 0, windowMs: 10, alternates: ['https://sn2.example.net'] },
    });
    expect(accepted({ a: 1 })).toEqual({ ok: true, data: { a: 1 } });
  });
});

describe('signing input', () => {
  const contexts = Object.keys(SIGNING_CONTEXTS) as SigningContext[];

  it('differs between any two contexts for every payload', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
        const inputs = contexts.flatMap((context) =>
          [signingInput(context, a), signingInput(context, b)].map((bytes) => ({ context, bytes })),
        );
        for (const x of inputs) {
          for (const y of inputs) if (x.context !== y.context) expect(x.bytes).not.toEqual(y.bytes);
        }
      }),
      { numRuns: 25 },
    );
  });

  it.each(['', '{', 'null', '[]', '{"nonce":1}'])(
    'gives nothing for a payload of another shape: %j',
    (text) => {
      const signed = { payload: encodeBase64url(new TextEncoder().encode(text)), signature: '', signer: '' };
      expect(decodePayload(authenticationProofSchema, signed)).toBeUndefined();
    },
  );

  it('gives nothing for bytes that are no UTF-8', () => {
    const signed = { payload: encodeBase64url(Uint8Array.of(0x22, 0xff, 0x22)), signature: '', signer: '' };
    expect(decodePayload(authenticationProofSchema, signed)).toBeUndefined();
  });
});

describe('ids', () => {
  it.each(['ab', 'a'.repeat(LIMITS.maxHandleLength + 1), '-ab', 'ab.', 'a b', 'ä-ö', 'a/b'])(
    'refuse %j as a handle',
    (text) => {
      expect(handleSchema.safeParse(text).success).toBe(false);
    },
  );
  it.each(['abc', 'A.b-c_9', '007'])('take %j as a handle', (text) => {
    expect(handleSchema.safeParse(text).success).toBe(true);
  });
  it('refuse spaces and control characters in user and tenant ids', () => {
    for (const text of ['a b', 'a\n', '', 'a\u0000']) {
      expect(userIdSchema.safeParse(text).success).toBe(false);
      expect(tenantIdSchema.safeParse(text).success).toBe(false);
    }
  });
  it('take exactly 32 bytes as a device id', () => {
    for (const length of [31, 32, 33]) {
      expect(deviceIdSchema.safeParse(encodeBase64url(new Uint8Array(length))).success).toBe(length === 32);
    }
  });
});

describe('candidates', () => {
  const good = {
    foundation: 'h',
    priority: 1,
    transport: 'udp',
    address: '192.0.2.1',
    port: 1,
    type: 'host',
  };
  it.each([
    { port: 0 },
    { port: 65536 },
    { priority: 0 },
    { priority: 2 ** 31 },
    { transport: 'tcp' },
    { address: 'abcd.local' },
    { address: '192.0.2' },
    { type: 'srflx' },
  ])('refuse %j', (over) => {
    expect(candidateSchema.safeParse(good).success).toBe(true);
    expect(candidateSchema.safeParse({ ...good, ...over }).success).toBe(false);
  });
});

describe('puzzle', () => {
  it.each([
    [[0x80], 0],
    [[0x01], 7],
    [[0x00, 0x40], 9],
    [[0x00, 0x00], 16],
  ])('counts the leading zero bits of %j', (bytes, bits) => {
    expect(leadingZeroBits(Uint8Array.from(bytes))).toBe(bits);
  });

  it('is solved by searching', () => {
    const challenge = new Uint8Array(32).fill(3);
    const bits = (n: number) => {
      const solution = Uint8Array.of(n >> 8, n & 0xff);
      return leadingZeroBits(createHash('sha256').update(puzzleInput(challenge, solution)).digest());
    };
    const solved = Array.from({ length: 65536 }, (_, n) => n).find((n) => bits(n) >= 8);
    expect(solved).toBeDefined();
  });
});

describe('link code', () => {
  it('survives being shown and typed', () => {
    const code = {
      deviceKey: new Uint8Array(32).fill(1),
      agreementKey: new Uint8Array(32).fill(2),
      secret: new Uint8Array(16).fill(3),
    };
    expect(decodeLinkCode(` ${encodeLinkCode(code)}\n`.trim())).toEqual(code);
  });
  it.each(['', 'parley-link:', 'parley-link:AAAA', 'other:AAAA'])('refuses %j', (text) => {
    expect(decodeLinkCode(text)).toBeUndefined();
  });
});

describe('version', () => {
  it('is the newest one that both speak', () => {
    expect(negotiateVersion([1, 2])).toBe(1);
    expect(negotiateVersion([2, 3])).toBeUndefined();
  });
});
