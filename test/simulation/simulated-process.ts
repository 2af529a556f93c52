// One life of a process. Whatever comes to it from outside (answers, timers, the disk) and whatever it sends passes here: a
// dead process hears and sends nothing any more, its promises never resolve; a paused one does both late.

import type { Clock } from '../../support/index.ts';
import { type Scheduler, sleepBy } from './scheduler.ts';

export class SimulatedProcess {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  #state: 'running' | 'paused' | 'dead' = 'running';
  #held: (() => void)[] = [];

  constructor(name: string, scheduler: Scheduler) {
    this.name = name;
    this.scheduler = scheduler;
    this.clock = {
      nowMs: () => scheduler.nowMs(),
      monotonicMs: () => scheduler.monotonicMs(),
      sleep: (ms, signal) => sleepBy(this, ms, signal),
      every: (ms, callback) => scheduler.every(ms, () => this.pass(callback)),
    };
  }

  get isAlive(): boolean {
    return this.#state !== 'dead';
  }

  /** In either direction. */
  pass(act: () => void): void {
    if (this.#state === 'running') act();
    else if (this.#state === 'paused') this.#held.push(act);
  }

  after(delayMs: number, act: () => void): () => void {
    return this.scheduler.after(delayMs, () => this.pass(act));
  }

  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    const held = this.#held;
    this.#held = [];
    for (const act of held) this.pass(act);
  }

  kill(): void {
    this.#state = 'dead';
    this.#held = [];
  }
}
