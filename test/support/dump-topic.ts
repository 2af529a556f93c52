// Reads a whole topic through a broker into plain records, for judges that compare runs.
import type { Broker } from '../../broker/index.ts';
import { type RecordHeader, recordHeaders, recordKey, recordValue } from '../../schemas/index.ts';

export interface DumpedRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}

/** All visible records, partition by partition, in offset order. */
export async function dumpTopic(broker: Broker, topic: string): Promise<DumpedRecord[]> {
  const dumped: DumpedRecord[] = [];
  for (const { partition, logStart, end } of await broker.listOffsets(topic)) {
    const reader = broker.openReader({ topic, partition }, logStart);
    while (reader.position < end) {
      const batch = await reader.read({ rowsMax: 4096, waitMsMax: 1_000 });
      for (let row = 0; row < batch.n; row += 1) {
        dumped.push({
          partition,
          offset: batch.offsets[row]!,
          timestamp: batch.timestamps[row]!,
          key: recordKey(batch, row)?.slice() ?? null,
          value: recordValue(batch, row)?.slice() ?? null,
          headers: recordHeaders(batch, row).map((header) => ({
            key: header.key,
            value: header.value?.slice() ?? null,
          })),
        });
      }
    }
    await reader.close();
  }
  return dumped;
}
