import { RecordBatchBuilder } from './record-batch.ts';
import { topics } from './topics.ts';

const key = new TextEncoder().encode('default');

/** An encoded command as a writer takes it to `model-commands`. All have one key: there is one order of commands. */
export function commandAppend(value: Uint8Array, timestampMs: number) {
  const records = new RecordBatchBuilder(1, key.length + value.length);
  records.append(timestampMs, key, value);
  return { topic: topics.modelCommands, partition: 0, records };
}
