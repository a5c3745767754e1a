import { MemorySessionBook } from './session-book.memory.ts';
import { sessionBookContract } from './testing/session-book.contract.ts';

describe('MemorySessionBook', () => sessionBookContract(() => new MemorySessionBook()));
