import type { NodeState } from '../node-record.ts';
import type { Opinions } from './peer-probes.ts';

/** What a lease says that others should hear at once when it changes, and what of it the last lease said. */
export class PublishedNews {
  private state: NodeState | undefined;
  private isDatabaseReachable = false;
  private opinions: Opinions | undefined;
  private text = '';
  private publishedText = '';

  /** Takes in what is so now; whether others were told otherwise. The text is made anew only when some of it changed. */
  isNew(state: NodeState, isDatabaseReachable: boolean, opinions: Opinions): boolean {
    if (
      state !== this.state ||
      isDatabaseReachable !== this.isDatabaseReachable ||
      opinions !== this.opinions
    ) {
      this.state = state;
      this.isDatabaseReachable = isDatabaseReachable;
      this.opinions = opinions;
      this.text = `${state} ${isDatabaseReachable} ${opinions.reached.join()} ${opinions.unreachable.join()}`;
    }
    return this.text !== this.publishedText;
  }

  published(): void {
    this.publishedText = this.text;
  }
}
