// The input records that a task's open transaction is made of, those that were put off included.

import type { RecordBatch } from '../schemas/index.ts';
import { inputName } from './task-sources.ts';

export class TakenIn {
  rows = 0;
  /** The first of them. */
  first:
    | { readonly topic: string; readonly partition: number; readonly offset: number }
    | undefined;
  /** By "topic-partition": the offset after the last. */
  ends: Record<string, number> = {};

  add(batch: RecordBatch): void {
    const { topic, partition, offsets, n, nextOffset } = batch;
    this.rows += n;
    this.first ??= { topic, partition, offset: offsets[0]! };
    this.ends[inputName(batch)] = nextOffset;
  }
}
