// The columns a partition reader fills, the same ones for every read: they grow and are never given back.

import type { RecordBatch, RecordHeader } from '../../schemas/index.ts';

const rowsMin = 256;

export class ReadRows implements RecordBatch {
  readonly topic: string;
  readonly partition: number;
  n = 0;
  nextOffset = 0;
  bytes: Uint8Array = new Uint8Array(0);
  keyStarts = new Int32Array(rowsMin);
  keyEnds = new Int32Array(rowsMin);
  valueStarts = new Int32Array(rowsMin);
  valueEnds = new Int32Array(rowsMin);
  timestamps = new Float64Array(rowsMin);
  offsets = new Float64Array(rowsMin);
  readonly headers = new Map<number, readonly RecordHeader[]>();

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  clear(): void {
    this.n = 0;
    this.headers.clear();
  }

  reserve(rows: number): void {
    if (rows <= this.offsets.length) return;
    const capacity = Math.max(rows, this.offsets.length * 2);
    this.keyStarts = grown(this.keyStarts, new Int32Array(capacity));
    this.keyEnds = grown(this.keyEnds, new Int32Array(capacity));
    this.valueStarts = grown(this.valueStarts, new Int32Array(capacity));
    this.valueEnds = grown(this.valueEnds, new Int32Array(capacity));
    this.timestamps = grown(this.timestamps, new Float64Array(capacity));
    this.offsets = grown(this.offsets, new Float64Array(capacity));
  }
}

function grown<T extends Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
