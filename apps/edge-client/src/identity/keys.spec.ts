import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { encodeBase64url, leadingZeroBits, puzzleInput } from '@parley/protocol';
import { deviceIdOf, generateKeyPair, importKeyPair, sha256 } from './keys.ts';
import { solvePuzzle, type PuzzleProgress } from './puzzle-solver.ts';
import { encodeRecoveryCode, recoveryKeyOf } from './recovery-code.ts';
import { isSignatureValid, signPayload } from './signing.ts';

describe('keys and signatures', () => {
  it('keeps a stored pair together: a public half of another pair is refused', () => {
    const [one, two] = [generateKeyPair('Ed25519'), generateKeyPair('Ed25519')];

    expect(encodeBase64url(importKeyPair('Ed25519', one).publicKey)).toBe(one.public);
    for (const broken of [
      { ...one, public: two.public },
      { ...one, private: 'short' },
      { ...one, public: '' },
    ]) {
      expect(() => importKeyPair('Ed25519', broken)).toThrow(
        expect.objectContaining({ code: 'EDGE_DEVICE_KEY_INVALID' }),
      );
    }
  });

  it('names a device by the hash of its key', () => {
    const key = new Uint8Array(32).fill(1);

    expect(deviceIdOf(key)).toBe(encodeBase64url(sha256(key)));
  });

  it('signs for one purpose only', () => {
    const key = importKeyPair('Ed25519', generateKeyPair('Ed25519'));
    const signed = signPayload('sessionOffer', { a: 1 }, key);

    expect(isSignatureValid('sessionOffer', signed)).toBe(true);
    expect(isSignatureValid('sessionAnswer', signed)).toBe(false);
    expect(isSignatureValid('sessionOffer', { ...signed, payload: encodeBase64url(randomBytes(8)) })).toBe(
      false,
    );
    expect(isSignatureValid('sessionOffer', { ...signed, signer: 'AAAA' })).toBe(false);
  });
});

describe('the recovery code', () => {
  it('gives the same key whenever it is read, and tells a slip of the pen', () => {
    const code = encodeRecoveryCode(randomBytes(32));
    const slip = code.slice(0, -1) + (code.endsWith('A') ? 'B' : 'A');

    expect(recoveryKeyOf(` ${code}\n`).publicKey).toEqual(recoveryKeyOf(code).publicKey);
    for (const text of [slip, code.slice(0, -4), code.replace('parley-', ''), '']) {
      expect(() => recoveryKeyOf(text)).toThrow(
        expect.objectContaining({ code: 'EDGE_RECOVERY_CODE_INVALID' }),
      );
    }
  });
});

describe('the registration puzzle', () => {
  it('is solved while the event loop goes on, with progress', async () => {
    const challenge = randomBytes(16);
    const progress: PuzzleProgress[] = [];
    let turns = 0;
    const count = setInterval(() => (turns += 1), 1);

    const solution = await solvePuzzle(challenge, 16, { onProgress: (step) => progress.push(step) });

    clearInterval(count);
    expect(leadingZeroBits(sha256(puzzleInput(challenge, solution)))).toBeGreaterThanOrEqual(16);
    expect(progress.at(-1)?.expectedAttempts).toBe(65_536);
    if ((progress.at(-1)?.attempts ?? 0) > 20_000) expect(turns).toBeGreaterThan(0);
  });

  it('stops when the app says so', async () => {
    const abort = new AbortController();

    const solving = solvePuzzle(randomBytes(16), 28, {
      signal: abort.signal,
      onProgress: () => abort.abort(),
    });

    await expect(solving).rejects.toMatchObject({ code: 'EDGE_ABORTED' });
  });
});
