// The contract of a processor: what happens to a batch. `process(batch, context)` is the whole of it.
//
//   open      once, before the first batch of a task; may read stores. State that the hot path needs is loaded here.
//   process   every batch, in offset order. Synchronous: the batch belongs to the caller again afterwards.
//   flush     once before every commit: put and forward what was accumulated since the last one.
//   close     once. Idempotent.
//
// A processor reads no wall clock and no unseeded random, and keeps nothing outside its stores that it could not
// rebuild: after a crash a new instance is opened over the last committed state and the input after it.

import type { RecordBatchBuilder } from '../schemas/index.ts';
import type { Logger, Metrics } from '../support/index.ts';

export type PunctuationKind = 'stream-time' | 'wall-clock';

export interface ProcessorContext {
  readonly applicationId: string;
  /** "subtopology_partition" */
  readonly taskId: string;
  readonly partition: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** The newest event time this task has seen; −1 before the first. */
  readonly streamTimeMs: number;
  /** For a record's creation date only; never for a decision. */
  currentSystemTimeMs(): number;
  /** Hands a batch to a processor downstream in this task, which runs before this returns. */
  forward(processor: string, batch: unknown): void;
  /** The records this task adds to a sink in the open transaction. Append to it; never read, clear or keep it. */
  output(sink: string): RecordBatchBuilder;
  /** A KeyValueStore of this task, or a global store, by the name given in the topology. */
  store<Store>(name: string): Store;
  /** Calls back between batches when the time has moved on by `intervalMs`. @returns a function that ends it. */
  schedule(
    intervalMs: number,
    kind: PunctuationKind,
    callback: (nowMs: number) => void,
  ): () => void;
  /**
   * Leaves the batch in hand unconsumed: after a short pause it is delivered again, with whatever has been appended
   * behind it. What this processor has put out in this call stands; what others put out for the batch is taken back,
   * for they will do it again. Puts into stores stand. Valid inside `process` only.
   */
  retryLater(reason: string): void;
}

export interface Processor<In = unknown> {
  open?(context: ProcessorContext): void | Promise<void>;
  process(batch: In, context: ProcessorContext): void;
  flush?(context: ProcessorContext): void;
  close?(): void;
}
