import { systemClock } from '../support/index.ts';
import { MemoryBroker } from './testing/memory-broker.ts';
import { runtimeContract } from './testing/runtime-contract.ts';

runtimeContract({
  name: 'memory',
  create: async () => {
    const broker = new MemoryBroker(systemClock);
    return { broker, close: () => broker.close() };
  },
});
