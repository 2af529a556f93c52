import { MemoryStore } from './memory.ts';
import { storeContract } from './testing/store-contract.ts';

storeContract({
  name: 'memory',
  create: () => new MemoryStore({ name: 'contract' }),
  features: { persistent: false },
});
