// A process that commits to an embedded log as fast as it can until somebody kills it. Started by the durability test:
//   node commit-until-killed.js DATA_DIR
// Three writers, each with its own partition and transactional id. Transaction n of a writer puts `rowsOf(n)` rows with
// the value n on both topics and moves its consumed offset to n + 1; then "writer n" is printed.

import { RecordBatchBuilder } from '../../../schemas/index.ts';
import { assert, silentLogger, systemClock } from '../../../support/index.ts';
import { EmbeddedBroker } from '../embedded-broker.ts';

export const writers = 3;
export const outputs = ['left', 'right'] as const;
export const input = 'input';
export const group = 'killed';

export const rowsOf = (transaction: number): number => 1 + ((transaction * 37) % 300);

async function commitForever(broker: EmbeddedBroker, partition: number): Promise<never> {
  const consumed = { topic: input, partition };
  const writer = await broker.openTransactionalWriter(`writer_${partition}`);
  const [committed] = await broker.committedOffsets(group, [consumed]);
  const records = new RecordBatchBuilder();
  for (let transaction = committed?.offset ?? 0; ; transaction++) {
    records.clear();
    const value = new TextEncoder().encode(`${transaction}`);
    for (let row = 0; row < rowsOf(transaction); row++) {
      records.append(systemClock.nowMs(), null, value);
    }
    await writer.commit({
      appends: outputs.map((topic) => ({ topic, partition, records })),
      group,
      offsets: [{ ...consumed, offset: transaction + 1, metadata: `after ${transaction}` }],
    });
    process.stdout.write(`${partition} ${transaction}\n`);
  }
}

async function run(dataDir: string): Promise<void> {
  const broker = new EmbeddedBroker({ dataDir, clock: systemClock, logger: silentLogger });
  await broker.connect();
  const spec = { partitions: writers, replicationFactor: 1, configs: { 'retention.ms': '-1' } };
  await broker.createTopics([input, ...outputs].map((name) => ({ name, ...spec })));
  await Promise.all(Array.from({ length: writers }, (_, i) => commitForever(broker, i)));
}

const [, script, dataDir] = process.argv;
if (script?.endsWith('commit-until-killed.js')) {
  assert(dataDir !== undefined, 'the data folder is given');
  await run(dataDir);
}
