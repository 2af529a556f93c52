// The log in memory is held to the same contract as the real ones: else what is tested over it proves little.

import { brokerContract } from '../broker/testing/broker-contract.ts';
import { systemClock } from '../support/index.ts';
import { MemoryBroker } from './testing/memory-broker.ts';

brokerContract({
  name: 'memory',
  create: async () => {
    const broker = new MemoryBroker(systemClock);
    return { broker, close: () => broker.close() };
  },
  features: { reopen: 'nothing of it outlives the process' },
});
