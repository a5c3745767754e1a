import { VirtualClock } from './virtual-clock.ts';

describe('VirtualClock', () => {
  it('runs tasks in the order of time, then of scheduling', () => {
    const clock = new VirtualClock();
    const ran: string[] = [];
    for (const [delay, name] of [
      [30, 'c'],
      [10, 'a'],
      [20, 'b1'],
      [20, 'b2'],
      [5, 'first'],
    ] as const) {
      clock.schedule(delay, (now) => ran.push(`${name}@${now}`));
    }

    clock.advance(30);

    expect(ran).toEqual(['first@5', 'a@10', 'b1@20', 'b2@20', 'c@30']);
    expect(clock.now).toBe(30);
  });

  it('orders many tasks as a sort would', () => {
    const clock = new VirtualClock();
    const delays = Array.from({ length: 500 }, (_, index) => (index * 7919) % 251);
    const ran: number[] = [];
    for (const delay of delays) clock.schedule(delay, (now) => ran.push(now));

    clock.advance(251);

    expect(ran).toEqual(delays.toSorted((a, b) => a - b));
  });

  it('runs what a task schedules within the time that passes, and nothing after it', () => {
    const clock = new VirtualClock(1000);
    const ran: number[] = [];
    const again = (now: number): void => {
      ran.push(now);
      clock.schedule(10, again);
    };
    clock.schedule(0, again);

    clock.advance(25);

    expect(ran).toEqual([1000, 1010, 1020]);
    expect(clock.nextTaskAt()).toBe(1030);
  });

  it('does not run a cancelled task', () => {
    const clock = new VirtualClock();
    let runs = 0;
    const cancel = clock.schedule(5, () => (runs += 1));
    cancel();

    clock.advance(10);

    expect(runs).toBe(0);
    expect(clock.nextTaskAt()).toBeUndefined();
  });

  it('keeps one instant armed per timer', () => {
    const clock = new VirtualClock();
    const fired: number[] = [];
    const timer = clock.timer((now) => fired.push(now));
    const at = clock.now;
    timer.armAt(at);
    timer.armAt(undefined);
    clock.advance(1);
    expect(fired).toEqual([]);

    timer.armAt(at);
    clock.advance(1);

    expect(fired).toEqual([1]);
  });

  it('stops at the condition, or at the limit', () => {
    const clock = new VirtualClock();
    let isDone = false;
    clock.schedule(40, () => (isDone = true));
    clock.schedule(50, () => undefined);

    expect(clock.advanceUntil(() => isDone, 39)).toBe(false);
    expect(clock.now).toBe(39);
    expect(clock.advanceUntil(() => isDone, 100)).toBe(true);
    expect(clock.now).toBe(40);
  });
});
