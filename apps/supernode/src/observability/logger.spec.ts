import { describe, expect, it } from '@jest/globals';
import type { LogConfig } from '../config/config.schema.ts';
import { createLogger } from './logger.ts';
import { NestLogger } from './nest-logger.ts';

function capture(level: LogConfig['level']) {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  return { logger: createLogger({ level }, { write }), lines };
}

describe('createLogger', () => {
  it('writes one JSON object with time, level and fields', () => {
    const { logger, lines } = capture('info');

    logger.info({ mode: 'embedded' }, 'database open');
    logger.debug('not at this level');

    expect(lines).toEqual([
      { level: 'info', time: expect.any(String), mode: 'embedded', msg: 'database open' },
    ]);
  });

  it('never writes a secret', () => {
    const { logger, lines } = capture('trace');

    logger.debug(
      { password: 's3cret', tenant: { turnSecret: 's3cret' }, request: { authorization: 's3cret' } },
      'x',
    );
    logger.error({ token: 's3cret', adminKey: 's3cret' }, 'y');

    expect(lines).toHaveLength(2);
    expect(JSON.stringify(lines)).not.toContain('s3cret');
  });

  it('keeps addresses of clients below info', () => {
    const { logger, lines } = capture('debug');

    logger.debug({ clientAddress: '192.0.2.7' }, 'connected');
    logger.info({ clientAddress: '192.0.2.7', devices: 1 }, 'connected');
    logger.error({ peerAddress: '192.0.2.7', ip: '192.0.2.7' }, 'failed');

    expect(lines.map((line) => JSON.stringify(line).includes('192.0.2.7'))).toEqual([true, false, false]);
    expect(lines[1]).toMatchObject({ devices: 1 });
  });
});

describe('NestLogger', () => {
  it('makes start-up chatter detail and keeps warnings and errors', () => {
    const { logger, lines } = capture('info');
    const nest = new NestLogger(logger);

    nest.log('Mapped {/health}', 'RouterExplorer');
    nest.warn('old', 'Router');
    nest.error('broken', 'stack', 'Injector');

    expect(lines).toMatchObject([
      { level: 'warn', component: 'Router', msg: 'old' },
      { level: 'error', component: 'Injector', msg: 'broken' },
    ]);
  });
});

describe("NestLogger's errors", () => {
  it('say why, and of which class', () => {
    const { logger, lines } = capture('error');
    const nest = new NestLogger(logger);

    nest.error('resume failed, correlation id 7', 'Error: away\n    at ask', 'RequestPipeline');
    nest.error('of no class', undefined, 'Gateway');
    nest.error('alone', 'Gateway');

    expect(lines).toEqual([
      {
        ...{ level: 'error', time: expect.any(String), component: 'RequestPipeline' },
        ...{ cause: 'Error: away\n    at ask', msg: 'resume failed, correlation id 7' },
      },
      { level: 'error', time: expect.any(String), component: 'Gateway', msg: 'of no class' },
      { level: 'error', time: expect.any(String), component: 'Gateway', msg: 'alone' },
    ]);
  });
});
