import { describe } from '@jest/globals';
import { MemoryRosterChannel } from './roster-channel.memory.ts';
import { rosterChannelContract } from './testing/roster-channel.contract.ts';

describe('MemoryRosterChannel', () => {
  rosterChannelContract((count) => {
    const channel = new MemoryRosterChannel();
    return Promise.resolve(Array.from({ length: count }, () => channel));
  });
});
