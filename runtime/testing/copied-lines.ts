// The smallest work a task can have, for tests of when it commits and what it says of itself: each line becomes an empty copy.

import type { Processor } from '../../processors/index.ts';
import { type RecordBatch, RecordBatchBuilder } from '../../schemas/index.ts';
import { type ProcessorOptions, Topology } from '../../topology/index.ts';
import type { MemoryBroker } from './memory-broker.ts';

export const copy: Processor<RecordBatch> = {
  process: (batch, context) => {
    for (let row = 0; row < batch.n; row++) context.output('copies').append(0, null, null);
  },
};

/** Both topics, of one partition. */
export async function createLinesAndCopies(broker: MemoryBroker): Promise<void> {
  const spec = { partitions: 1, replicationFactor: 1, configs: {} };
  await broker.createTopics([
    { name: 'lines', ...spec },
    { name: 'copies', ...spec },
  ]);
}

export function copiedLines(
  processor: Processor<RecordBatch> = copy,
  options: Partial<ProcessorOptions> = {},
): Topology {
  return new Topology()
    .source('lines', { topic: 'lines' })
    .processor('copy', { from: ['lines'], create: () => processor, ...options })
    .sink('copies', { from: ['copy'], topic: 'copies' });
}

export function sendLine(broker: MemoryBroker): void {
  const records = new RecordBatchBuilder();
  records.append(0, null, new TextEncoder().encode('line'));
  broker.append([{ topic: 'lines', partition: 0, records }]);
}
