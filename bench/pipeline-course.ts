// One run of one contender: started, warmed up, faced with a backlog, timed until its group has committed the end of it,
// stopped; and what came out is counted.

import { mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { recordValue } from '../schemas/index.ts';
import type { BenchOptions } from './bench.ts';
import { type Arena, type Contender, meanstream, type Runner } from './contenders.ts';
import type { Ends, Load } from './pipeline-load.ts';
import { profiledFile, type Stage, type StageTime } from './profile.ts';
import { rounded, type Sample } from './timing.ts';

/** The files through which each stage is entered; profile.ts says how they are read. */
const stages: readonly Stage[] = [
  { name: 'read', files: ['kafka/partition-fetcher', 'kafka/kafka-partition-reader'], keeps: true },
  { name: 'decode', files: ['processors/decode-points'] },
  { name: 'assign', files: ['clustering/assigner'], keeps: true },
  { name: 'accumulate', files: ['clustering/mini-batch'], keeps: true },
  { name: 'quality', files: ['clustering/quality-accumulator'], keeps: true },
  { name: 'encode assignments', files: ['schemas/assignment-encoder'], keeps: true },
  { name: 'encode batches', files: ['kafka/sign-batches'], keeps: true },
  { name: 'commit', files: ['runtime/commit', 'kafka/kafka-transactional-writer'], keeps: true },
  { name: 'fold', files: ['processors/fold-centroids', 'processors/detect-drift'], keeps: true },
  { name: 'models', files: ['runtime/global-store-reader'], keeps: true },
  { name: 'sockets', files: ['src/network/connection', 'src/network/socket'], keeps: true },
];

const pollMs = 10;
const drainMsMax = 180_000;

export class Course {
  readonly n: number;
  readonly #arena: Arena;
  readonly #load: Load;
  readonly #options: BenchOptions;

  constructor(arena: Arena, load: Load, n: number, options: BenchOptions) {
    this.n = n;
    this.#arena = arena;
    this.#load = load;
    this.#options = options;
  }

  async run(contender: Contender): Promise<Sample> {
    const { broker } = this.#arena;
    const runner = await contender.start(this.#arena);
    try {
      const sample = await this.#timed(runner);
      await runner.process.stop();
      const quality = await this.#checkOutput(runner);
      const rate = `${Math.round(this.n / sample.seconds / 1000)} thousand points/s`;
      const cpu = `${rounded((sample.cpuSeconds / this.n) * 1e6)} CPU s/million`;
      this.#options.say(`${contender.name}: ${rate}, ${cpu}, mean distance ${quality}`);
      return sample;
    } finally {
      await runner.process.stop();
      await broker.deleteTopics(runner.leavings);
    }
  }

  /** Where the time of our main thread goes, warming up included. */
  async profile(): Promise<StageTime[]> {
    const folder = mkdtempSync(join(this.#arena.folder, 'profile-'));
    await this.run(meanstream({ nodeArgs: ['--cpu-prof', `--cpu-prof-dir=${folder}`] }));
    const [file] = readdirSync(folder);
    return profiledFile(join(folder, file!), stages);
  }

  async #timed(runner: Runner): Promise<Sample> {
    const load = this.#load;
    await this.#drained(runner, await load.fill(runner.input, Math.ceil(this.n / 10)));
    const release = await load.hold(runner.input);
    const ends = await load.fill(runner.input, this.n);
    await sleep(500);
    const cpuBefore = runner.process.cpuSeconds();
    const started = performance.now();
    await release();
    await this.#drained(runner, ends);
    const seconds = (performance.now() - started) / 1000;
    return { seconds, cpuSeconds: runner.process.cpuSeconds() - cpuBefore };
  }

  async #drained({ input, group, process }: Runner, ends: Ends): Promise<void> {
    const { broker } = this.#arena;
    const inputs = ends.map((_, partition) => ({ topic: input, partition }));
    const deadline = performance.now() + drainMsMax;
    for (;;) {
      const committed = await broker.committedOffsets(group, inputs);
      const at = new Map(committed.map(({ partition, offset }) => [partition, offset]));
      if (ends.every((end, partition) => (at.get(partition) ?? 0) >= end)) return;
      process.checkAlive();
      if (performance.now() > deadline) {
        throw new Error(`${group} does not get through ${input}.
${process.lastWords}`);
      }
      await sleep(pollMs);
    }
  }

  /** As many assignments as points, and what they say. @returns the mean distance of every hundredth. */
  async #checkOutput({ input, output }: Runner): Promise<number> {
    const [points, assignments] = await Promise.all([this.#count(input), this.#count(output)]);
    if (points.rows !== assignments.rows) {
      throw new Error(
        `${points.rows} points in ${input}, ${assignments.rows} records in ${output}.`,
      );
    }
    return rounded(assignments.distances / assignments.sampled);
  }

  async #count(topic: string) {
    const { broker } = this.#arena;
    const counts = { rows: 0, sampled: 0, distances: 0 };
    for (const { partition, logStart, end } of await broker.listOffsets(topic)) {
      const reader = broker.openReader({ topic, partition }, logStart);
      while (reader.position < end) {
        const batch = await reader.read({ rowsMax: 8_192, waitMsMax: 1_000 });
        for (let row = 0; row < batch.n; row += 100) {
          const value = Buffer.from(recordValue(batch, row)!).toString('latin1');
          counts.distances += Number(/"distance":([^,]+)/.exec(value)?.[1] ?? 0);
          counts.sampled += 1;
        }
        counts.rows += batch.n;
      }
      await reader.close();
    }
    return counts;
  }
}
