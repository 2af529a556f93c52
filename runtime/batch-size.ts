// How many rows a batch of a task may have. After a record that was too large for the log half as many, and each batch is a
// transaction of its own, until all that made that record is committed; then twice as many with each commit, up to the usual.
// What is committed of other inputs meanwhile makes no batch larger: else two inputs could keep a task at it for ever.
//
// And no more rows than are dealt with in a moment: heartbeats and probes wait for a batch. How long a row takes is up to the
// processors (clusters × features, for one), and is found out from the batches before.

import type { TakenIn } from './taken-in.ts';

/** One that takes longer is followed by smaller ones, a full one that takes less than half of it by one twice as large. */
const batchMsMax = 50;

export class BatchSize {
  readonly #usualRows: number;
  #rows: number;
  #rowsInTime: number;
  /** By "topic-partition": what has to be committed before batches grow. */
  #until: Readonly<Record<string, number>> = {};

  constructor(usualRows: number) {
    this.#usualRows = usualRows;
    this.#rows = usualRows;
    this.#rowsInTime = usualRows;
  }

  get rowsMax(): number {
    return Math.min(this.#rows, this.#rowsInTime);
  }

  get isShrunk(): boolean {
    return this.#rows < this.#usualRows;
  }

  /** So many rows were dealt with in one go. */
  took(rows: number, ms: number): void {
    if (ms > batchMsMax) {
      const inTime = Math.floor((Math.min(rows, this.#rowsInTime) * batchMsMax) / ms);
      this.#rowsInTime = Math.max(1, inTime);
    } else if (2 * ms < batchMsMax && rows >= this.#rowsInTime) {
      this.#rowsInTime = Math.min(this.#usualRows, 2 * this.#rowsInTime);
    }
  }

  /** @param ends of what was too large together */
  shrink({ rows, ends }: Pick<TakenIn, 'rows' | 'ends'>): void {
    this.#rows = Math.ceil(Math.min(this.#rows, rows) / 2);
    this.#until = ends;
  }

  committed(offsets: Readonly<Record<string, number>>): void {
    if (Object.entries(this.#until).some(([input, end]) => (offsets[input] ?? 0) < end)) return;
    this.#rows = Math.min(this.#usualRows, this.#rows * 2);
  }
}
