import type { EdgeClient } from '../../client/edge-client.ts';
import type { FakeSupernode } from '../../testing/fake-supernode.ts';
import { onlinePair, openClient, userIdOf } from '../../testing/online-pair.ts';
import type { Call, CallChange, IncomingCall } from '../call.ts';

/** Alice with one device, Bob with two. */
export interface Trio {
  readonly alice: EdgeClient;
  readonly bob: EdgeClient;
  readonly tablet: EdgeClient;
}

export async function callTrio(supernode: FakeSupernode): Promise<Trio> {
  const { alice, bob } = await onlinePair(supernode);
  const tablet = await openClient(supernode, 'tablet');
  const invitation = await tablet.linkCode();
  await bob.approveLink(invitation.code);
  await invitation.approved;
  await tablet.connect();
  await alice.devices(userIdOf(bob));
  return { alice, bob, tablet };
}

/** The next call that rings on a device. */
export function nextIncoming(client: EdgeClient): Promise<IncomingCall> {
  return new Promise((resolve) => {
    const off = client.calls.on('incoming', (call) => {
      off();
      resolve(call);
    });
  });
}

/** What brings a call from its state now to the end. */
export async function causesOf(call: Call): Promise<readonly CallChange['cause'][]> {
  const causes: CallChange['cause'][] = [];
  for await (const { cause } of call.states()) causes.push(cause);
  return causes;
}

/** Resolves when something was dropped for one of these reasons. */
export async function dropped(client: EdgeClient, ...reasons: readonly string[]): Promise<void> {
  for (let turn = 0; turn < 1000; turn += 1) {
    const { calls, sessions } = client.drops();
    if (reasons.some((reason) => reason in calls || reason in sessions)) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new TypeError(`Nothing was dropped as ${reasons.join()}: ${JSON.stringify(client.drops())}`);
}
