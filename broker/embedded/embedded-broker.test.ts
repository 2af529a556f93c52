import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '../../support/index.ts';
import { brokerContract } from '../testing/broker-contract.ts';
import type { BrokerUnderTest } from '../testing/contract-fixtures.ts';
import { EmbeddedBroker } from './index.ts';

async function create(): Promise<BrokerUnderTest> {
  const dataDir = await mkdtemp(join(tmpdir(), 'meanstream-embedded-'));
  const connected = async () => {
    const broker = new EmbeddedBroker({ dataDir, clock: systemClock, logger: silentLogger });
    await broker.connect();
    return broker;
  };
  let broker = await connected();
  return {
    broker,
    reopen: async () => {
      await broker.close();
      broker = await connected();
      return broker;
    },
    close: async () => {
      await broker.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

brokerContract({ name: 'embedded', create, features: { reopen: true } });
