import { describe, expect, it } from '@jest/globals';
import { instant } from '@parley/nat';
import { LIMITS } from '@parley/protocol';
import { HostList, isUsableAlternate } from './host-list.ts';

const CONFIGURED = 'https://configured.example';
const HOMES = ['https://home1.example', 'https://home2.example', 'https://home3.example'];
const ADVICE = ['https://advised1.example', 'https://advised2.example'];
const OLD = 'https://old.example';

/** A whole round, from here. */
function round(hosts: HostList, now = 0): readonly string[] {
  const { rounds } = hosts;
  const seen: string[] = [];
  for (;;) {
    const url = hosts.next(instant(now));
    if (hosts.rounds !== rounds) return seen;
    seen.push(url);
  }
}

describe('HostList', () => {
  it('goes through homes, old advice and what was configured, each once', () => {
    const hosts = new HostList([CONFIGURED, HOMES[1] ?? ''], [OLD, CONFIGURED]);
    hosts.setHomes({ urls: HOMES, validForMs: 1000 }, instant(0));

    expect(round(hosts)).toEqual([...HOMES, OLD, CONFIGURED]);
  });

  it('puts homes that expired behind everything else, and keeps them', () => {
    const hosts = new HostList([CONFIGURED], [OLD]);
    hosts.setHomes({ urls: HOMES, validForMs: 1000 }, instant(0));

    expect(round(hosts, 1000)).toEqual([OLD, CONFIGURED, ...HOMES]);
  });

  it('tries fresh advice first, until it has led somewhere', () => {
    const hosts = new HostList([CONFIGURED]);
    hosts.setHomes({ urls: HOMES, validForMs: 1000 }, instant(0));
    hosts.advise(ADVICE);
    expect(round(hosts)).toEqual([...ADVICE, ...HOMES, CONFIGURED]);

    hosts.worked('https://home1.example');
    hosts.restart();

    expect(round(hosts)).toEqual([...HOMES, ...ADVICE, CONFIGURED]);
  });

  it('begins where it was online where nobody signed for homes', () => {
    const hosts = new HostList([CONFIGURED, OLD]);
    hosts.worked(OLD);
    hosts.restart();

    expect(round(hosts)).toEqual([OLD, CONFIGURED]);
  });

  it('tries a host that keeps failing behind the others, for a while', () => {
    const hosts = new HostList([CONFIGURED]);
    hosts.setHomes({ urls: HOMES, validForMs: 1e9 }, instant(0));
    const [first = '', ...others] = HOMES;
    for (let time = 0; time < 3; time += 1) hosts.failed(first, instant(time));
    hosts.restart();
    expect(round(hosts, 10)).toEqual([...others, CONFIGURED, first]);

    hosts.restart();
    expect(round(hosts, 120_000)).toEqual([...HOMES, CONFIGURED]);

    hosts.failed(first, instant(120_000));
    hosts.reached(first);
    hosts.restart();
    expect(round(hosts, 120_001)).toEqual([...HOMES, CONFIGURED]);
  });

  it('ends its rounds however many alternates are named on the way', () => {
    const hosts = new HostList([CONFIGURED]);
    hosts.setHomes({ urls: HOMES, validForMs: 1000 }, instant(0));
    const tried: string[] = [];
    for (let time = 0; time < 100; time += 1) {
      hosts.advise([`https://lie${String(time)}.example`]);
      tried.push(hosts.next(instant(0)));
    }

    const first = tried.indexOf(CONFIGURED);
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThanOrEqual(LIMITS.maxAlternates + HOMES.length);
    expect(tried.indexOf(CONFIGURED, first + 1) - first).toBeLessThanOrEqual(
      LIMITS.maxAlternates + HOMES.length + 1,
    );
  });

  it('knows a host by its address, however it is spelt', () => {
    const hosts = new HostList(['https://Configured.example:443/'], [CONFIGURED, `${CONFIGURED}/`]);

    expect(round(hosts)).toEqual([CONFIGURED]);
  });

  it('follows nobody from a protected transport to an open one, nor to anything else', () => {
    expect(isUsableAlternate('http://evil.example', [CONFIGURED])).toBe(false);
    expect(isUsableAlternate('http://evil.example', ['http://one.example', CONFIGURED])).toBe(false);
    expect(isUsableAlternate('ftp://evil.example', ['http://one.example'])).toBe(false);
    expect(isUsableAlternate('https://user:word@two.example', [CONFIGURED])).toBe(false);
    expect(isUsableAlternate('nonsense', [CONFIGURED])).toBe(false);
    expect(isUsableAlternate('https://two.example', [CONFIGURED])).toBe(true);
    expect(isUsableAlternate('http://two.example', ['http://one.example'])).toBe(true);

    const hosts = new HostList([CONFIGURED]);
    hosts.setHomes({ urls: ['http://home.example', 'nonsense'], validForMs: 1000 }, instant(0));
    expect(hosts.advise(['ws://advised.example', 'https://advised.example/'])).toEqual([
      'https://advised.example',
    ]);
    expect(round(hosts)).toEqual(['https://advised.example', CONFIGURED]);
  });
});
