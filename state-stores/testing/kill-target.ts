// The process that the store contract kills: rewrites every key in one batch after another, each batch with its own
// number as value and checkpoint, and prints the number of each finished batch.
// Arguments: engine, folder, keys, bytes per value.

import { silentLogger } from '../../support/index.ts';
import { openEngine } from '../open-engine.ts';
import type { StateStore, StoreWrite } from '../state-store.ts';

const [kind, dir, keys, valueBytes] = process.argv.slice(2);

const store = await openEngine(kind as StateStore['engine'], {
  name: 'killed',
  dir: dir!,
  logger: silentLogger,
});

for (let batch = 1; ; batch += 1) {
  const writes: StoreWrite[] = [];
  for (let key = 0; key < Number(keys); key += 1) {
    writes.push({
      key: new TextEncoder().encode(`key-${key}`),
      value: new TextEncoder().encode(String(batch).padStart(Number(valueBytes), '0')),
    });
  }
  await store.write(writes, {
    applicationId: 'app',
    taskId: 'task_0',
    storeName: 'killed',
    schemaVersion: 1,
    changelogOffset: batch,
    inputOffsets: {},
    writtenAtMs: 0,
  });
  process.stdout.write(`${batch}\n`);
}
