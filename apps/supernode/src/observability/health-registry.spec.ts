import { describe, expect, it } from '@jest/globals';
import { HealthRegistry } from './health-registry.ts';

const up = { name: 'database', check: () => Promise.resolve() };

describe('HealthRegistry', () => {
  it('is ready when every part is', async () => {
    const health = new HealthRegistry(undefined, ['relay']);
    health.register(up);

    expect(await health.report()).toEqual({
      status: 'ready',
      roles: ['relay'],
      checks: [{ name: 'database', status: 'up' }],
    });
  });

  it('is degraded without what all lack, and not ready without more', async () => {
    const away = () => Promise.reject(new TypeError('away'));
    const health = new HealthRegistry();
    health.register(up);
    health.register({ name: 'redis', isShared: true, check: away });
    expect(await health.report()).toEqual({
      status: 'degraded',
      roles: [],
      checks: [
        { name: 'database', status: 'up' },
        { name: 'redis', status: 'down' },
      ],
    });
    health.register({ name: 'relay', check: away });
    expect(await health.report()).toMatchObject({ status: 'not-ready' });
  });

  it('is not ready when a part fails, throws or does not answer in time', async () => {
    const health = new HealthRegistry(10);
    health.register(up);
    health.register({ name: 'failing', check: () => Promise.reject(new TypeError('away')) });
    health.register({ name: 'silent', check: () => new Promise(() => undefined) });
    health.register({
      name: 'throwing',
      check: () => {
        throw new TypeError('at once');
      },
    });

    expect(await health.report()).toEqual({
      status: 'not-ready',
      roles: [],
      checks: [
        { name: 'database', status: 'up' },
        { name: 'failing', status: 'down' },
        { name: 'silent', status: 'down' },
        { name: 'throwing', status: 'down' },
      ],
    });
  });

  it('looks once for all who ask meanwhile, and anew for who asks later', async () => {
    const health = new HealthRegistry();
    let looks = 0;
    health.register({
      name: 'database',
      check: () => {
        looks += 1;
        return Promise.resolve();
      },
    });

    const reports = await Promise.all(Array.from({ length: 50 }, () => health.report()));
    expect(looks).toBe(1);
    expect(reports.map(({ status }) => status)).toEqual(Array(50).fill('ready'));

    await health.report();
    expect(looks).toBe(2);
  });

  it('is draining for good once it drains', async () => {
    const health = new HealthRegistry();
    health.register(up);

    health.startDraining();

    expect((await health.report()).status).toBe('draining');
  });
});
