import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { PostgresSupervisor } from './postgres-supervisor.ts';

async function launchSleeper(): Promise<ChildProcess> {
  const child = spawn('sleep', ['600']);
  await once(child, 'spawn');
  return child;
}

describe('PostgresSupervisor', () => {
  it('gives up after its attempts and says so once', async () => {
    let attempts = 0;
    const failing = (): Promise<ChildProcess> => {
      attempts += 1;
      return Promise.reject(new TypeError('does not start'));
    };
    const child = await launchSleeper();
    const supervisor = new PostgresSupervisor(child, failing, [0, 0, 0]);
    const outcomes: string[] = [];
    const lost = new Promise<void>((resolve) => {
      supervisor.onInterruption((outcome) => {
        outcomes.push(outcome);
        resolve();
      });
    });

    child.kill('SIGKILL');
    await lost;
    await supervisor.stop();

    expect({ attempts, outcomes }).toEqual({ attempts: 3, outcomes: ['lost'] });
  });

  it('starts nothing again once it is stopped, not even while it waits to', async () => {
    let attempts = 0;
    const child = await launchSleeper();
    const supervisor = new PostgresSupervisor(child, () => {
      attempts += 1;
      return launchSleeper();
    }, [3_600_000]);
    const ended = once(child, 'exit');

    child.kill('SIGKILL');
    await ended;
    await supervisor.stop();

    expect(attempts).toBe(0);
  });

  it('stops the server that runs now', async () => {
    const child = await launchSleeper();
    const supervisor = new PostgresSupervisor(child, launchSleeper, [0]);

    await supervisor.stop();

    expect(child.signalCode).toBe('SIGINT');
  });
});
