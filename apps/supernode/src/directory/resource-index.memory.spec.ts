import { describe } from '@jest/globals';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { MemoryResourceIndex } from './resource-index.memory.ts';
import { resourceIndexContract } from './testing/resource-index.contract.ts';

describe('MemoryResourceIndex', () => {
  resourceIndexContract(() => {
    const time = new ManualTime();
    return { index: new MemoryResourceIndex(time), pass: (milliseconds) => time.advance(milliseconds) };
  });
});
