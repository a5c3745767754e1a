import { describe, expect, it } from '@jest/globals';
import { SupernodeError } from '../errors.ts';
import { Refusal } from '../refusal.ts';
import { mapError } from './wire-errors.ts';

const SECRET = 'what the client sent';

function withCode(code: string): Error {
  return Object.assign(new TypeError(SECRET), { code });
}

describe('mapError', () => {
  it('says what a refusal says', () => {
    const { reply, correlationId } = mapError(new Refusal('RATE_LIMITED', 'slowly', 12.3));

    expect(reply).toEqual({
      ok: false,
      error: { code: 'RATE_LIMITED', message: 'slowly', retryable: true, retryAfterMs: 13 },
    });
    expect(correlationId).toBeUndefined();
  });

  it.each([
    ['a refused connection', withCode('ECONNREFUSED')],
    ['a server that shuts down', withCode('57P01')],
    ['a Prisma time-out', withCode('P2024')],
    ['a socket file that is gone', new TypeError('connect ENOENT /run/.s.PGSQL.5432')],
    ['a cause below', new SupernodeError('SN_INVARIANT', 'wrapped', { cause: withCode('ECONNRESET') })],
    [
      'what PostgreSQL said of a raw statement',
      Object.assign(withCode('P2010'), { meta: { driverAdapterError: { cause: { code: '57P03' } } } }),
    ],
    ['our own code', new SupernodeError('SN_DB_UNREACHABLE', 'away')],
    ['Redis away', new SupernodeError('SN_REDIS_UNREACHABLE', 'away')],
    ['a record that changed under every try', new SupernodeError('SN_STORE_CONTENDED', 'again')],
    ['another supernode that does not answer', new SupernodeError('SN_LINK_TIMEOUT', 'away')],
    ['another supernode that left', new SupernodeError('SN_LINK_CLOSED', 'gone')],
    ['too much that waits for another supernode', new SupernodeError('SN_LINK_OVERLOADED', 'full')],
    ['a driver that gives no code', new TypeError('Connection terminated unexpectedly')],
  ])('says that a store is away on %s', (_what, error) => {
    const { reply, correlationId } = mapError(error);

    expect(reply).toMatchObject({ ok: false, error: { code: 'STORE_UNAVAILABLE', retryable: true } });
    expect(correlationId).toEqual(expect.any(String));
  });

  it('sends whose home moved away meanwhile elsewhere', () => {
    expect(mapError(new SupernodeError('SN_NOT_OWNER', 'slot 7')).reply).toMatchObject({
      ok: false,
      error: { code: 'NOT_HOME', retryable: true, message: expect.not.stringContaining('slot 7') },
    });
  });

  it.each([
    ['an unknown error', new TypeError(SECRET)],
    ['a file that is missing', withCode('ENOENT')],
    ['a broken constraint', withCode('P2002')],
    ['something that is no error', SECRET],
    [
      'an error that is its own cause',
      (() => {
        const error = new TypeError(SECRET);
        error.cause = error;
        return error;
      })(),
    ],
  ])('tells of %s by correlation id only', (_what, error) => {
    const { reply, correlationId } = mapError(error);

    expect(reply).toMatchObject({
      ok: false,
      error: { code: 'INTERNAL', message: expect.stringContaining(correlationId!) },
    });
    expect(JSON.stringify(reply)).not.toContain(SECRET);
  });
});
