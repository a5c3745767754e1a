import type { NodeState } from '../node-record.ts';
import type { Opinions } from './peer-probes.ts';

/** What a lease says that others should hear at once when it changes, as one text; made anew only when some of it changed. */
export class PublishedNews {
  private state: NodeState | undefined;
  private isDatabaseReachable = false;
  private opinions: Opinions | undefined;
  private text = '';

  of(state: NodeState, isDatabaseReachable: boolean, opinions: Opinions): string {
    if (
      state === this.state &&
      isDatabaseReachable === this.isDatabaseReachable &&
      opinions === this.opinions
    ) {
      return this.text;
    }
    this.state = state;
    this.isDatabaseReachable = isDatabaseReachable;
    this.opinions = opinions;
    this.text = `${state} ${isDatabaseReachable} ${opinions.reached.join()} ${opinions.unreachable.join()}`;
    return this.text;
  }
}
