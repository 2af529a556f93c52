import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedBroker } from '../broker/embedded/index.ts';
import { silentLogger, systemClock } from '../support/index.ts';
import { MemoryBroker } from './testing/memory-broker.ts';
import { runtimeContract } from './testing/runtime-contract.ts';

runtimeContract({
  name: 'memory',
  create: async () => {
    const broker = new MemoryBroker(systemClock);
    return { broker, close: () => broker.close() };
  },
});

runtimeContract({
  name: 'embedded',
  create: async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'meanstream-runtime-log-'));
    const broker = new EmbeddedBroker({ dataDir, clock: systemClock, logger: silentLogger });
    await broker.connect();
    const close = async () => {
      await broker.close();
      await rm(dataDir, { recursive: true, force: true });
    };
    return { broker, close };
  },
});
