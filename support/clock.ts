// Time is passed in, so that a test can hold it in its hand. Nothing outside support/ and bin/ reads the wall clock.

export interface Clock {
  /** Milliseconds since 1970, as everybody's records carry them. */
  nowMs(): number;
  /** Milliseconds that never run backwards, for durations only. */
  monotonicMs(): number;
  /** Resolves after `ms`, or at once when `signal` is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls back every `ms` until the returned function is called. Keeps no process alive. */
  every(ms: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener('abort', done, { once: true });
    }),
  every: (ms, callback) => {
    const timer = setInterval(callback, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};

/** A clock that moves only when told to. Sleepers and tickers fire, in order of time, inside `advance`. */
export class ManualClock implements Clock {
  #nowMs: number;
  #waiting: { atMs: number; everyMs: number; fire: () => void }[] = [];

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      this.#waiting.push({ atMs: this.#nowMs + ms, everyMs: 0, fire: resolve });
      signal?.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  every(ms: number, callback: () => void): () => void {
    const entry = { atMs: this.#nowMs + ms, everyMs: ms, fire: callback };
    this.#waiting.push(entry);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== entry);
    };
  }

  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const next = this.#waiting
        .filter((entry) => entry.atMs <= untilMs)
        .sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#nowMs = next.atMs;
      if (next.everyMs > 0) next.atMs += next.everyMs;
      else this.#waiting = this.#waiting.filter((entry) => entry !== next);
      next.fire();
    }
    this.#nowMs = untilMs;
  }
}

/** Lets waiting I/O and timers run before going on: a busy loop calls it now and then. Costs microseconds. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
