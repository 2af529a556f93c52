// Which worker answers for which range. Pure: it is told what was heard and what time it is, and says who gets what; the
// coordinator asks it, and so does the simulation of stragglers (bench/retrain-simulation.ts).
//
// - Ranges are dealt evenly when the first workers are known, and keep their worker: it has them on its disk.
// - A worker that was not heard of for `timeoutMs` is dead: what it owes goes to the others.
// - A worker is late when it has given no answer for more than 1.5 × the median time of an answer. An idle worker then takes the
//   last range that the late one owes; whose answer comes first owns the range from the next step on.
// - A worker that came later, and was never late, gets a fair share at the next step.

export interface ScheduleOptions {
  readonly ranges: number;
  readonly timeoutMs: number;
  /** Of the median; default 1.5. */
  readonly lateFactor?: number;
  /** Nobody is late before this; default 250. */
  readonly lateMsMin?: number;
}

export interface Reassignment {
  readonly worker: string;
  readonly ranges: readonly number[];
}

interface WorkerState {
  heardMs: number;
  /** When its present range began, as far as can be seen from here. */
  sinceMs: number;
  wasLate: boolean;
}

export class RangeSchedule {
  readonly #options: Required<ScheduleOptions>;
  readonly #workers = new Map<string, WorkerState>();
  /** Of each range; '' before there are workers. */
  readonly #owners: string[];
  /** Of each range that is not answered in this step: who was asked. */
  #asked = new Map<number, Set<string>>();
  /** Of each worker: how many of these it was asked for. */
  #owing = new Map<string, number>();
  #durations: number[] = [];
  #medianMs = Infinity;

  constructor(options: ScheduleOptions) {
    this.#options = { lateFactor: 1.5, lateMsMin: 250, ...options };
    this.#owners = new Array<string>(options.ranges).fill('');
  }

  get workers(): readonly string[] {
    return [...this.#workers.keys()].sort();
  }

  get isComplete(): boolean {
    return this.#asked.size === 0;
  }

  heard(worker: string, nowMs: number): void {
    const state = this.#workers.get(worker);
    if (state !== undefined) state.heardMs = nowMs;
    else this.#workers.set(worker, { heardMs: nowMs, sinceMs: nowMs, wasLate: false });
  }

  /** @returns the worker of each range. Without workers the ranges wait for `decide`. */
  beginStep(nowMs: number): readonly string[] {
    if (this.#durations.length > 0) this.#medianMs = median(this.#durations);
    this.#durations = [];
    for (const state of this.#workers.values()) state.sinceMs = nowMs;
    this.#deal();
    this.#asked = new Map();
    this.#owing = new Map();
    for (const [range, owner] of this.#owners.entries()) this.#ask(range, owner);
    return this.#owners.slice();
  }

  /** @returns whether it is the first answer of the range */
  answered(range: number, worker: string, nowMs: number): boolean {
    this.heard(worker, nowMs);
    const state = this.#workers.get(worker)!;
    const durationMs = nowMs - state.sinceMs;
    state.sinceMs = nowMs;
    if (!this.#settle(range)) return false;
    this.#durations.push(durationMs);
    this.#owners[range] = worker;
    return true;
  }

  /** An answer of a worker that may be gone by now. @returns whether it is the first of the range */
  answeredBefore(range: number): boolean {
    return this.#settle(range);
  }

  /** Who is to be asked as well, at this moment. */
  decide(nowMs: number): Reassignment[] {
    this.#buryDead(nowMs);
    if (this.#workers.size === 0) return [];
    const given = new Map<string, number[]>();
    const give = (range: number, worker: string) => {
      this.#ask(range, worker);
      given.set(worker, [...(given.get(worker) ?? []), range]);
      if (this.#owed(worker) === 1) this.#workers.get(worker)!.sinceMs = nowMs;
    };
    for (const [range, asked] of this.#asked) {
      if ([...asked].some((worker) => this.#workers.has(worker))) continue;
      const worker = this.#least((each) => this.#owed(each));
      this.#owners[range] = worker;
      give(range, worker);
    }
    for (const idle of this.workers.filter((worker) => this.#owed(worker) === 0)) {
      const range = this.#lateRange(nowMs);
      if (range === undefined) break;
      give(range, idle);
    }
    return [...given].map(([worker, ranges]) => ({ worker, ranges }));
  }

  #buryDead(nowMs: number): void {
    for (const [worker, { heardMs }] of this.#workers) {
      if (nowMs - heardMs > this.#options.timeoutMs) this.#workers.delete(worker);
    }
  }

  /** The last range that a late worker owes, and that nobody else was asked for. */
  #lateRange(nowMs: number): number | undefined {
    const { lateFactor, lateMsMin } = this.#options;
    const typicalMs = this.#durations.length >= 3 ? median(this.#durations) : this.#medianMs;
    const lateMs = Math.max(lateMsMin, lateFactor * typicalMs);
    for (const range of [...this.#asked.keys()].sort((a, b) => b - a)) {
      const asked = this.#asked.get(range)!;
      const [worker] = asked;
      const state = this.#workers.get(worker!);
      if (asked.size > 1 || state === undefined || nowMs - state.sinceMs <= lateMs) continue;
      state.wasLate = true;
      return range;
    }
    return undefined;
  }

  /** Gives every range a living owner, and newcomers their share. */
  #deal(): void {
    if (this.#workers.size === 0) return;
    for (const [range, owner] of this.#owners.entries()) {
      if (!this.#workers.has(owner)) this.#owners[range] = this.#least((each) => this.#owned(each));
    }
    const share = Math.floor(this.#owners.length / this.#workers.size);
    for (const newcomer of this.workers) {
      if (this.#owned(newcomer) > 0 || this.#workers.get(newcomer)!.wasLate) continue;
      while (this.#owned(newcomer) < share) {
        const richest = this.#least((worker) => -this.#owned(worker));
        this.#owners[this.#owners.lastIndexOf(richest)] = newcomer;
      }
    }
  }

  #owned(worker: string): number {
    return this.#owners.filter((owner) => owner === worker).length;
  }

  #owed(worker: string): number {
    return this.#owing.get(worker) ?? 0;
  }

  #ask(range: number, worker: string): void {
    const asked = this.#asked.get(range) ?? new Set();
    this.#asked.set(range, asked.add(worker));
    this.#owing.set(worker, this.#owed(worker) + 1);
  }

  /** @returns whether it was not answered yet */
  #settle(range: number): boolean {
    const asked = this.#asked.get(range);
    for (const worker of asked ?? []) this.#owing.set(worker, this.#owed(worker) - 1);
    return this.#asked.delete(range);
  }

  /** The first worker by name of those with the least. */
  #least(amount: (worker: string) => number): string {
    let best = this.workers[0]!;
    for (const worker of this.workers) if (amount(worker) < amount(best)) best = worker;
    return best;
  }
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
