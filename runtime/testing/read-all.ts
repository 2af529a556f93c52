// Everything a topic holds, as plain records.

import type { Broker } from '../../broker/index.ts';
import { type RecordHeader, recordHeaders, recordKey, recordValue } from '../../schemas/index.ts';

export interface PlainRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
  readonly timestamp: number;
  readonly partition: number;
  readonly offset: number;
}

/** By partition and offset, from `fromOf(partition)` on. */
export async function readAll(
  broker: Broker,
  topic: string,
  fromOf: (partition: number) => number = () => 0,
): Promise<PlainRecord[]> {
  const records: PlainRecord[] = [];
  for (const { partition, logStart, end } of await broker.listOffsets(topic)) {
    const from = Math.max(logStart, fromOf(partition));
    records.push(...(await readPartition(broker, topic, partition, from, end)));
  }
  return records;
}

async function readPartition(
  broker: Broker,
  topic: string,
  partition: number,
  from: number,
  end: number,
): Promise<PlainRecord[]> {
  const records: PlainRecord[] = [];
  const reader = broker.openReader({ topic, partition }, from);
  while (reader.position < end) {
    const batch = await reader.read({ rowsMax: 4096, waitMsMax: 1000 });
    for (let row = 0; row < batch.n; row++) {
      records.push({
        key: recordKey(batch, row)?.slice() ?? null,
        value: recordValue(batch, row)?.slice() ?? null,
        headers: recordHeaders(batch, row),
        timestamp: batch.timestamps[row]!,
        partition,
        offset: batch.offsets[row]!,
      });
    }
  }
  await reader.close();
  return records;
}
