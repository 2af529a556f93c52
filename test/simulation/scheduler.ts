// Virtual time. Everything that happens later is an entry here, ordered by its time and then by when it was asked for; so
// a run depends on nothing but the seed. Between two entries all promises that can go on do so.

import { type Clock, nextTurn } from '../../support/index.ts';

interface Entry {
  atMs: number;
  readonly order: number;
  fire: (() => void) | undefined;
}

/** Times are multiples of a power of two, so that adding and subtracting them is exact. */
const ticksPerMs = 64;

export class Scheduler implements Clock {
  #nowMs = 1_700_000_000_000;
  #ordered = 0;
  #leaptMs = 0;
  /** A binary heap: an entry is not later than its children. */
  readonly #heap: Entry[] = [];

  nowMs(): number {
    return Math.floor(this.#nowMs);
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  /** @returns a function that calls it off. */
  after(delayMs: number, fire: () => void): () => void {
    const atMs = Math.ceil((this.#nowMs + Math.max(0, delayMs)) * ticksPerMs) / ticksPerMs;
    const entry: Entry = { atMs, order: this.#ordered++, fire };
    this.#push(entry);
    return () => {
      entry.fire = undefined;
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepBy(this, ms, signal);
  }

  every(ms: number, callback: () => void): () => void {
    let cancel = () => {};
    const again = () => {
      cancel = this.after(ms, () => {
        again();
        callback();
      });
    };
    again();
    return () => cancel();
  }

  /** Lets time pass with nothing happening in between, as for a world asleep: all that is due comes as much later. */
  leap(ms: number): void {
    this.#nowMs += ms;
    this.#leaptMs += ms;
    for (const entry of this.#heap) entry.atMs += ms;
  }

  /** Runs what is due until `untilMs` (leaps not counted), or until `isDone` says so. @returns whether it did. */
  async run(untilMs: number, isDone: () => boolean = () => false): Promise<boolean> {
    const leaptMs = this.#leaptMs;
    await nextTurn();
    while (!isDone()) {
      const [next] = this.#heap;
      const endMs = untilMs + this.#leaptMs - leaptMs;
      if (next === undefined || next.atMs > endMs) {
        this.#nowMs = Math.max(this.#nowMs, Math.floor(endMs * ticksPerMs) / ticksPerMs);
        return false;
      }
      this.#pop();
      if (next.fire === undefined) continue;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.fire();
      await nextTurn();
    }
    return true;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** A sleep on anything that calls back later: the world's clock, or a process's, which stands still while it is paused. */
export function sleepBy(
  timer: Pick<Scheduler, 'after'>,
  ms: number,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const cancel = timer.after(ms, () => done());
    const done = () => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    signal?.addEventListener('abort', done);
  });
}
