// Callbacks by stream time and wall clock, made between batches. A callback that is late is made once, not once per
// missed interval, and its next time stays on the grid it began with.

import type { PunctuationKind } from '../processors/index.ts';

/** `dueMs` is the time at which a wall-clock callback falls due: a monotonic one. `nowMs` is what it is told. */
export interface PunctuationTimes {
  readonly streamTimeMs: number;
  readonly monotonicMs: number;
  readonly nowMs: number;
}

interface Punctuation {
  readonly intervalMs: number;
  readonly kind: PunctuationKind;
  readonly callback: (nowMs: number) => void;
  /** Undefined until the first stream time is known. */
  nextMs: number | undefined;
}

export class Punctuations {
  #punctuations: readonly Punctuation[] = [];

  /** @returns a function that ends it. */
  schedule(
    intervalMs: number,
    kind: PunctuationKind,
    callback: (nowMs: number) => void,
    { streamTimeMs, monotonicMs }: PunctuationTimes,
  ): () => void {
    const sinceMs = kind === 'wall-clock' ? monotonicMs : streamTimeMs;
    const nextMs = sinceMs < 0 ? undefined : sinceMs + intervalMs;
    const punctuation: Punctuation = { intervalMs, kind, callback, nextMs };
    this.#punctuations = [...this.#punctuations, punctuation];
    return () => {
      this.#punctuations = this.#punctuations.filter((other) => other !== punctuation);
    };
  }

  /** Makes the callbacks that are due. @returns whether there were any. */
  run(times: PunctuationTimes): boolean {
    let fired = false;
    for (const punctuation of this.#punctuations) {
      if (!fallsDue(punctuation, times)) continue;
      fired = true;
      punctuation.callback(punctuation.kind === 'wall-clock' ? times.nowMs : times.streamTimeMs);
    }
    return fired;
  }

  /** Until the next wall-clock callback; Infinity without one. */
  msUntilWallClock(monotonicMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const punctuation of this.#punctuations) {
      if (punctuation.kind === 'wall-clock') nextMs = Math.min(nextMs, punctuation.nextMs!);
    }
    return Math.max(0, nextMs - monotonicMs);
  }
}

function fallsDue(punctuation: Punctuation, times: PunctuationTimes): boolean {
  const timeMs = punctuation.kind === 'wall-clock' ? times.monotonicMs : times.streamTimeMs;
  if (timeMs < 0) return false;
  const { intervalMs } = punctuation;
  punctuation.nextMs ??= timeMs + intervalMs;
  if (timeMs < punctuation.nextMs) return false;
  const missed = Math.floor((timeMs - punctuation.nextMs) / intervalMs);
  punctuation.nextMs += (missed + 1) * intervalMs;
  return true;
}
