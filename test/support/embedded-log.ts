// The embedded log of a data folder, opened by a test while no process runs on it.
import { join } from 'node:path';
import { EmbeddedBroker } from '../../broker/embedded/index.ts';
import { topics } from '../../schemas/index.ts';
import { silentLogger, systemClock } from '../../support/index.ts';
import { type DumpedRecord, dumpTopic } from './dump-topic.ts';

/** Every topic of the product, whole. */
export type Dump = Record<keyof typeof topics, DumpedRecord[]>;

export async function openLog(dataDir: string): Promise<EmbeddedBroker> {
  const broker = new EmbeddedBroker({
    dataDir: join(dataDir, 'log'),
    clock: systemClock,
    logger: silentLogger,
  });
  await broker.connect();
  return broker;
}

export async function dumpLog(dataDir: string): Promise<Dump> {
  const broker = await openLog(dataDir);
  const all = {} as Dump;
  for (const [name, topic] of Object.entries(topics)) {
    all[name as keyof typeof topics] = await dumpTopic(broker, topic);
  }
  await broker.close();
  return all;
}
