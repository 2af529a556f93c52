// A small topology for the tests of the runtime: it counts words. Every word of `lines` leaves on `totals` with its
// running count, and the counts are kept in a store.

import type { Processor, ProcessorContext } from '../../processors/index.ts';
import { type RecordBatch, recordValue } from '../../schemas/index.ts';
import type { KeyValueStore } from '../../state-stores/index.ts';
import { Topology } from '../../topology/index.ts';

const text = new TextDecoder();
const bytes = new TextEncoder();

export interface WordCountHooks {
  readonly opened?: (context: ProcessorContext) => void;
  /** Before a line is counted. */
  readonly line?: (line: string, context: ProcessorContext) => void;
  readonly flushed?: () => void;
  readonly closed?: () => void;
}

export class CountWords implements Processor<RecordBatch> {
  readonly #hooks: WordCountHooks;
  readonly #counts = new Map<string, number>();
  readonly #changed = new Set<string>();
  #store: KeyValueStore | undefined;

  constructor(hooks: WordCountHooks) {
    this.#hooks = hooks;
  }

  async open(context: ProcessorContext): Promise<void> {
    this.#store = context.store<KeyValueStore>('counts');
    for await (const { key, value } of this.#store.range()) {
      this.#counts.set(text.decode(key), Number(text.decode(value)));
    }
    this.#hooks.opened?.(context);
  }

  process(batch: RecordBatch, context: ProcessorContext): void {
    for (let row = 0; row < batch.n; row++) {
      const line = text.decode(recordValue(batch, row)!);
      this.#hooks.line?.(line, context);
      for (const word of line.split(' ')) this.#count(word, batch.timestamps[row]!, context);
    }
  }

  flush(): void {
    for (const word of this.#changed) {
      this.#store!.put(bytes.encode(word), bytes.encode(String(this.#counts.get(word))));
    }
    this.#changed.clear();
    this.#hooks.flushed?.();
  }

  close(): void {
    this.#hooks.closed?.();
  }

  #count(word: string, timestamp: number, context: ProcessorContext): void {
    const count = (this.#counts.get(word) ?? 0) + 1;
    this.#counts.set(word, count);
    this.#changed.add(word);
    context.output('totals').append(timestamp, bytes.encode(word), bytes.encode(String(count)));
  }
}

export function wordCount(hooks: WordCountHooks = {}, schemaVersion = 1): Topology {
  return new Topology()
    .source('lines', { topic: 'lines' })
    .processor('count', { from: ['lines'], create: () => new CountWords(hooks) })
    .store({ name: 'counts', schemaVersion }, { usedBy: ['count'] })
    .sink('totals', { from: ['count'], topic: 'totals' });
}

/** What the topology must give for the lines of one partition: every "word count", in order. */
export function expectedTotals(lines: readonly string[]): string[] {
  const counts = new Map<string, number>();
  return lines
    .flatMap((line) => line.split(' '))
    .map((word) => {
      const count = (counts.get(word) ?? 0) + 1;
      counts.set(word, count);
      return `${word} ${count}`;
    });
}

export function expectedCounts(lines: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of lines.flatMap((line) => line.split(' '))) {
    counts[word] = (counts[word] ?? 0) + 1;
  }
  return counts;
}

export async function storedCounts(store: KeyValueStore): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for await (const { key, value } of store.range()) {
    counts[text.decode(key)] = Number(text.decode(value));
  }
  return counts;
}

/** "word count" of every record of `totals`. */
export function totalsOf(
  records: readonly { readonly key: Uint8Array | null; readonly value: Uint8Array | null }[],
): string[] {
  return records.map(({ key, value }) => `${text.decode(key!)} ${text.decode(value!)}`);
}
