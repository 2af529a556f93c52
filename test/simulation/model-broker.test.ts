// The model is held to the contract of the real brokers, with virtual time tied to the clock: else what is
// simulated over it proves little.

import { brokerContract } from '../../broker/testing/broker-contract.ts';
import { Random, systemClock } from '../../support/index.ts';
import { ModelBroker } from './model-broker.ts';
import { ModelCluster } from './model-cluster.ts';
import { Scheduler } from './scheduler.ts';
import { SimulatedProcess } from './simulated-process.ts';

brokerContract({
  name: 'model',
  create: async () => {
    const scheduler = new Scheduler();
    const cluster = new ModelCluster({ scheduler, random: new Random(1) });
    const broker = new ModelBroker(cluster, new SimulatedProcess('contract', scheduler));
    let isOpen = true;
    const runOn = async () => {
      while (isOpen) {
        // Never ahead of the clock that the cases look at.
        await scheduler.run(scheduler.monotonicMs() + 1);
        await systemClock.sleep(1);
      }
    };
    const running = runOn();
    const close = async () => {
      await broker.close();
      cluster.close();
      await systemClock.sleep(20);
      isOpen = false;
      await running;
    };
    return { broker, close };
  },
  features: { reopen: 'the model forgets everything with its cluster' },
});
