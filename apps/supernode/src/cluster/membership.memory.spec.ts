import { describe } from '@jest/globals';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { MemoryCoordinatorLease, MemoryMembershipStore } from './membership.memory.ts';
import { membershipContract } from './testing/membership.contract.ts';

describe('leases in memory', () => {
  membershipContract(() => {
    const time = new ManualTime();
    return {
      members: new MemoryMembershipStore(time),
      coordinator: new MemoryCoordinatorLease(time),
      pass: (milliseconds) => time.advance(milliseconds),
    };
  });
});
