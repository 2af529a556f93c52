// A small topology that shows every mistake: a running count and sum per key, in the order of the input, forgotten at every
// fifth record of a key; each record leaves once, as a total or as a dead letter, with its source offset.

import type { Processor, ProcessorContext } from '../../processors/index.ts';
import { type RecordBatch, recordKey, recordValue } from '../../schemas/index.ts';
import type { KeyValueStore } from '../../state-stores/index.ts';
import { Topology } from '../../topology/index.ts';

const decoder = new TextDecoder();
const encoder = new TextEncoder();

export const forgetAt = 5;
export const badValue = 'bad';

class CountRecords implements Processor<RecordBatch> {
  readonly #totals = new Map<string, string>();
  readonly #changed = new Set<string>();
  #store!: KeyValueStore;

  async open(context: ProcessorContext): Promise<void> {
    this.#store = context.store<KeyValueStore>('totals');
    for await (const { key, value } of this.#store.range()) {
      this.#totals.set(decoder.decode(key), decoder.decode(value));
    }
  }

  process(batch: RecordBatch, context: ProcessorContext): void {
    for (let row = 0; row < batch.n; row++) {
      const key = recordKey(batch, row)!;
      const value = decoder.decode(recordValue(batch, row)!);
      const source = `${batch.offsets[row]}`;
      if (value === badValue) {
        context.output('dead-letters').append(0, key, encoder.encode(source));
        continue;
      }
      const name = decoder.decode(key);
      const total = nextTotal(this.#totals.get(name), Number(value));
      if (total === undefined) this.#totals.delete(name);
      else this.#totals.set(name, total);
      this.#changed.add(name);
      context.output('out').append(0, key, encoder.encode(`${source} ${total}`));
    }
  }

  flush(): void {
    for (const name of this.#changed) {
      const total = this.#totals.get(name);
      if (total === undefined) this.#store.delete(encoder.encode(name));
      else this.#store.put(encoder.encode(name), encoder.encode(total));
    }
    this.#changed.clear();
  }
}

/** "count sum"; undefined when it is forgotten. */
export function nextTotal(total: string | undefined, value: number): string | undefined {
  const [count = 0, sum = 0] = (total ?? '').split(' ').filter(Boolean).map(Number);
  return count + 1 === forgetAt ? undefined : `${count + 1} ${sum + value}`;
}

export function countingTopology(): Topology {
  return new Topology()
    .source('in', { topic: 'in' })
    .processor('count', { from: ['in'], create: () => new CountRecords() })
    .store({ name: 'totals', schemaVersion: 1 }, { usedBy: ['count'] })
    .sink('out', { from: ['count'], topic: 'out' })
    .sink('dead-letters', { from: ['count'], topic: 'dead-letters' });
}
