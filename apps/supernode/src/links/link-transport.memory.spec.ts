import { describe } from '@jest/globals';
import { MemoryLinkNetwork } from './link-transport.memory.ts';
import { linkTransportContract } from './testing/link-transport.contract.ts';

describe('MemoryLinkNetwork', () => {
  linkTransportContract((count) => {
    const network = new MemoryLinkNetwork();
    return Promise.resolve(Array.from({ length: count }, () => network.transport()));
  });
});
