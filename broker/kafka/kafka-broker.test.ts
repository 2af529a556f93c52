import { describe, inject } from 'vitest';
import { silentLogger, systemClock } from '../../support/index.ts';
import { titleWith } from '../../test/support/kafka-cluster.ts';
import { brokerContract } from '../testing/broker-contract.ts';
import type { BrokerUnderTest } from '../testing/contract-fixtures.ts';
import { KafkaBroker } from './index.ts';

const kafka = inject('kafka');

describe.skipIf('unavailable' in kafka)(titleWith(kafka, 'a real Kafka'), () => {
  brokerContract({ name: 'kafka', create, features: { reopen: true } });
});

async function create(): Promise<BrokerUnderTest> {
  let current = await connected();
  return {
    broker: current,
    reopen: async () => {
      await current.close();
      current = await connected();
      return current;
    },
    close: () => current.close(),
  };
}

async function connected(): Promise<KafkaBroker> {
  if ('unavailable' in kafka) throw new Error(kafka.unavailable);
  const broker = new KafkaBroker({
    bootstrapServers: kafka.bootstrapServers,
    clientId: 'broker-contract',
    clock: systemClock,
    logger: silentLogger,
  });
  await broker.connect();
  return broker;
}
