import { MemoryResourceIndex } from './resource-index.memory.ts';
import { resourceIndexContract } from './testing/resource-index.contract.ts';

describe('MemoryResourceIndex', () => resourceIndexContract(() => new MemoryResourceIndex()));
