// How many rows a batch of a task may have. After a record that was too large for the log half as many, and each batch is a
// transaction of its own, until all that made that record is committed; then twice as many with each commit, up to the usual.
// What is committed of other inputs meanwhile makes no batch larger: else two inputs could keep a task at it for ever.

import type { TakenIn } from './taken-in.ts';

export class BatchSize {
  readonly #usualRows: number;
  #rows: number;
  /** By "topic-partition": what has to be committed before batches grow. */
  #until: Readonly<Record<string, number>> = {};

  constructor(usualRows: number) {
    this.#usualRows = usualRows;
    this.#rows = usualRows;
  }

  get rowsMax(): number {
    return this.#rows;
  }

  get isShrunk(): boolean {
    return this.#rows < this.#usualRows;
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
