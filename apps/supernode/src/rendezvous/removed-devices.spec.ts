import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { AccountChanges } from '../identity/account-changes.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { LinkMetrics } from '../links/link-metrics.ts';
import { MemoryLinkNetwork } from '../links/link-transport.memory.ts';
import { ClusterLinks } from '../links/links.service.ts';
import { Metrics } from '../observability/metrics.ts';
import { RemovedDevices } from './removed-devices.service.ts';

const { tenant, userId, deviceId } = callerNamed('alice', 'phone');

it('cuts a removed device off at every supernode, with a seat or without, and leaves the home to do so itself', async () => {
  const time = new ManualTime();
  const network = new MemoryLinkNetwork();
  const nodes = ['a', 'b', 'c'];
  const cutOff: string[] = [];
  const open = async (nodeId: string) => {
    const background = new BackgroundTasks();
    const metrics = new LinkMetrics(new Metrics({ withProcess: false }));
    const links = new ClusterLinks(
      { nodeId, incarnation: 1 },
      { transport: network.transport(), clock: time, scheduler: time, background, metrics },
    );
    await links.open();
    const changes = new AccountChanges(background);
    const note = (what: string) => (device: { deviceId: string }) =>
      Promise.resolve(void cutOff.push(`${nodeId} ${what} ${device.deviceId}`));
    const ownership = { self: nodeId, aliveNodes: () => nodes };
    new RemovedDevices(
      changes,
      { end: note('channel') },
      { revoke: note('relay') },
      ownership,
      links,
    ).onModuleInit();
    return changes;
  };
  const [home] = await Promise.all(nodes.map(open));

  await home!.announce({ tenant, userId, version: 2, added: [], removed: [deviceId] });
  for (let turn = 0; turn < 20; turn += 1) await settled();

  expect(cutOff.sort()).toEqual([
    `b channel ${deviceId}`,
    `b relay ${deviceId}`,
    `c channel ${deviceId}`,
    `c relay ${deviceId}`,
  ]);
});
