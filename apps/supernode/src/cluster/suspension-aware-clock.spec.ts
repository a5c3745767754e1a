import { describe, expect, it } from '@jest/globals';
import { SuspensionAwareClock } from './suspension-aware-clock.ts';

function setUp() {
  const system = { wall: 1_000_000, elapsed: 50 };
  const clock = new SuspensionAwareClock({ now: () => system.wall, monotonic: () => system.elapsed });
  return { system, clock };
}

describe('SuspensionAwareClock', () => {
  it('goes as the monotonic clock does, also through a pause of the process', () => {
    const { system, clock } = setUp();
    const before = clock.monotonic();

    system.wall += 15_000;
    system.elapsed += 15_000;

    expect(clock.monotonic() - before).toBe(15_000);
    expect(clock.now()).toBe(1_015_000);
  });

  it('counts the time for which the machine was suspended', () => {
    const { system, clock } = setUp();
    const before = clock.monotonic();

    system.wall += 15_000;
    system.elapsed += 2;

    expect(clock.monotonic() - before).toBe(15_000);
    expect(clock.monotonic() - before).toBe(15_000);
  });

  it('never runs backwards, and takes no notice of small corrections', () => {
    const { system, clock } = setUp();
    const before = clock.monotonic();

    system.wall -= 3_600_000;
    system.elapsed += 10;
    expect(clock.monotonic() - before).toBe(10);

    system.wall += 400;
    system.elapsed += 10;
    expect(clock.monotonic() - before).toBe(20);
  });
});
