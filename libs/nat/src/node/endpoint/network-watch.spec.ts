import { transportAddress } from '../../net/ip-address.ts';
import { instant } from '../../time/instant.ts';
import { NetworkWatch } from './network-watch.ts';

describe('NetworkWatch', () => {
  function watching(...addresses: string[]) {
    const host = { addresses, changes: 0, looks: 0 };
    const watch = new NetworkWatch(
      () => {
        host.looks += 1;
        return host.addresses.map((address) => transportAddress(address, 9));
      },
      () => (host.changes += 1),
    );
    /** Until then, as a driver does it. */
    const advance = (until: number) => {
      for (let at = watch.nextTimeoutAt(); at !== undefined && at <= until; at = watch.nextTimeoutAt())
        watch.handleTimeout(at);
    };
    return { host, watch, advance };
  }

  it('tells once of each change of the addresses, within two seconds', () => {
    const { host, watch, advance } = watching('192.0.2.1', '2001:db8::1');
    watch.start(instant(0));
    advance(10_000);
    expect(host.changes).toBe(0);

    host.addresses = ['198.51.100.7'];
    advance(12_000);
    expect(host.changes).toBe(1);
    advance(60_000);
    expect(host.changes).toBe(1);

    host.addresses = [];
    advance(62_000);
    expect(host.changes).toBe(2);
  });

  it('takes the same addresses in another order for no change', () => {
    const { host, watch, advance } = watching('192.0.2.1', '192.0.2.2');
    watch.start(instant(0));
    host.addresses = ['192.0.2.2', '192.0.2.1'];
    advance(10_000);
    expect(host.changes).toBe(0);
  });

  it('does not look before it was started', () => {
    const { host, watch } = watching('192.0.2.1');
    expect(watch.nextTimeoutAt()).toBeUndefined();
    expect(host.looks).toBe(0);
  });
});
