// Retrains on machines that are slow or taken away, simulated: the schedule of the real coordinator (jobs/distributed/range-schedule.ts)
// over a made-up clock. One seed is one history; the same seed gives the same numbers. docs/SCALING.md quotes them.

import { RangeSchedule } from '../jobs/index.ts';
import { Random } from '../support/index.ts';

export interface SimulationOptions {
  readonly seed: number;
  readonly workers: number;
  readonly rangesPerWorker: number;
  readonly iterations: number;
  /** One range of an iteration, and replaying it where it is new, on an undisturbed worker. */
  readonly rangeMs: number;
  readonly packMs: number;
  /** Share of workers that are `slowFactor` times slower for the whole job. */
  readonly slowShare: number;
  readonly slowFactor: number;
  /** Workers taken away, per worker and hour; another comes `replaceMs` later. */
  readonly preemptionsPerHour: number;
  readonly replaceMs: number;
}

export interface SimulationResult {
  readonly totalMs: number;
  /** Ranges answered twice, and ranges packed again. */
  readonly wasted: number;
  readonly repacked: number;
  readonly preempted: number;
}

interface SimulatedWorker {
  readonly name: string;
  readonly speed: number;
  readonly held: Set<number>;
  queue: number[];
  /** When the range at the head of the queue is answered. */
  doneMs: number;
  diesMs: number;
}

const timeoutMs = 10_000;
const heartbeatMs = 1_000;
const tickMs = 200;

export function simulateRetrain(options: SimulationOptions): SimulationResult {
  return new Simulation(options).run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #random: Random;
  readonly #schedule: RangeSchedule;
  #workers: SimulatedWorker[] = [];
  readonly #arrivals: number[] = [];
  #nowMs = 0;
  #started = 0;
  #wasted = 0;
  #repacked = 0;
  #preempted = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    const ranges = options.workers * options.rangesPerWorker;
    this.#schedule = new RangeSchedule({ ranges, timeoutMs });
    for (let i = 0; i < options.workers; i++) this.#arrive();
  }

  run(): SimulationResult {
    // The first step packs; the others iterate.
    for (let step = 0; step <= this.#options.iterations; step++) this.#step();
    const [wasted, repacked, preempted] = [this.#wasted, this.#repacked, this.#preempted];
    return { totalMs: this.#nowMs, wasted, repacked, preempted };
  }

  #step(): void {
    const owners = this.#schedule.beginStep(this.#nowMs);
    for (const worker of this.#workers) {
      worker.queue = [...owners.keys()].filter((range) => owners[range] === worker.name);
      this.#startNext(worker, this.#nowMs);
    }
    while (!this.#schedule.isComplete) this.#tick();
  }

  #tick(): void {
    this.#nowMs += tickMs;
    this.#comeAndGo();
    for (const worker of this.#workers) {
      if (this.#nowMs % heartbeatMs < tickMs) this.#schedule.heard(worker.name, this.#nowMs);
      while (worker.queue.length > 0 && worker.doneMs <= this.#nowMs) {
        const range = worker.queue.shift()!;
        worker.held.add(range);
        if (!this.#schedule.answered(range, worker.name, this.#nowMs)) this.#wasted += 1;
        // Not at this tick: it went on when it was done.
        this.#startNext(worker, worker.doneMs);
      }
    }
    for (const { worker: name, ranges } of this.#schedule.decide(this.#nowMs)) {
      const worker = this.#workers.find((each) => each.name === name);
      if (worker === undefined) continue;
      const wasIdle = worker.queue.length === 0;
      worker.queue.push(...ranges);
      if (wasIdle) this.#startNext(worker, this.#nowMs);
    }
  }

  #startNext(worker: SimulatedWorker, nowMs: number): void {
    const range = worker.queue[0];
    if (range === undefined) return;
    const { rangeMs, packMs } = this.#options;
    const isHeld = worker.held.has(range);
    if (!isHeld && this.#started > this.#options.workers * this.#options.rangesPerWorker)
      this.#repacked += 1;
    this.#started += 1;
    worker.doneMs = nowMs + (rangeMs + (isHeld ? 0 : packMs)) * worker.speed;
  }

  #comeAndGo(): void {
    const gone = this.#workers.filter(({ diesMs }) => diesMs <= this.#nowMs);
    for (const _ of gone) this.#arrivals.push(this.#nowMs + this.#options.replaceMs);
    this.#preempted += gone.length;
    this.#workers = this.#workers.filter(({ diesMs }) => diesMs > this.#nowMs);
    while (this.#arrivals.length > 0 && this.#arrivals[0]! <= this.#nowMs) {
      this.#arrivals.shift();
      this.#arrive();
    }
  }

  #arrive(): void {
    const { slowShare, slowFactor, preemptionsPerHour } = this.#options;
    const name = `w${String(this.#workers.length + this.#preempted * 1_000).padStart(9, '0')}-${this.#started}`;
    const speed = this.#random.float() < slowShare ? slowFactor : 0.95 + 0.1 * this.#random.float();
    const lifeMs = (-Math.log(1 - this.#random.float()) / preemptionsPerHour) * 3_600_000;
    const diesMs = preemptionsPerHour > 0 ? this.#nowMs + lifeMs : Infinity;
    this.#workers.push({ name, speed, held: new Set(), queue: [], doneMs: 0, diesMs });
    this.#schedule.heard(name, this.#nowMs);
  }
}
