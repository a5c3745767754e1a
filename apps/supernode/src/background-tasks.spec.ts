import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { BackgroundTasks } from './background-tasks.ts';
import { notOwner } from './cluster/required-tenure.ts';

describe('BackgroundTasks', () => {
  const said: string[] = [];
  beforeEach(() => {
    said.length = 0;
    for (const level of ['error', 'debug'] as const) {
      jest.spyOn(Logger.prototype, level).mockImplementation((message: unknown) => {
        said.push(`${level}: ${String(message)}`);
      });
    }
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('logs and counts a failure, and goes on', async () => {
    const tasks = new BackgroundTasks();
    await tasks.attempt('telling of it', () => Promise.reject(new Error('no')));
    expect({ said, failures: tasks.failures }).toEqual({
      said: ['error: telling of it failed'],
      failures: 1,
    });
  });

  it('takes no user whose home is elsewhere by then for a failure', async () => {
    const tasks = new BackgroundTasks();
    await tasks.attempt('telling of it', () => Promise.reject(notOwner()));
    expect({ said, failures: tasks.failures }).toEqual({
      said: ["debug: telling of it: left to the user's home, which this supernode may not act as now"],
      failures: 0,
    });
  });
});
