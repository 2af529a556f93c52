// The second half of R10: points written to the topic at five times the rate at which the processor can take them. How much it
// can take is measured first, on a backlog; what is left when the writing ends must go at nearly that rate, in the memory that a
// stream of half of it takes.
import type { Writer } from '../../broker/index.ts';
import { RecordBatchBuilder, topics } from '../../schemas/index.ts';
import { systemClock } from '../../support/index.ts';
import { eachJudged } from '../support/java-console.ts';
import type { DeployedProcessor, KafkaDeployment } from '../support/kafka-deployment.ts';
import { eventually, sleep } from '../support/meanstream-process.ts';
import { type Watched, watchProcess } from '../support/process-watch.ts';
import { count } from './chaos-row.ts';
import { lastWords, patienceMs } from './field.ts';
import {
  type Bounds,
  type Overloaded,
  timesCapacity,
  timesCapacityMin,
} from './overload-bounds.ts';

const partitions = 4;
/** For the first guess only. */
const firstCapacity = 40_000;
const capacityRounds = 2;
const capacityMs = 2_000;
const tickMs = 20;
const drainedShareMin = 0.9;
/** So many different points, which come again and again. */
const pool = 5_000;
const bytesPerPoint = 256;
/** As k8s/base gives it. */
const memoryLimit = 2_048 * 1_048_576;
const idleMs = 6_000;

interface Flooded {
  /** How many points were written. */
  readonly flood: Watched<number>;
  /** Of them, when the last was written. */
  readonly left: number;
  readonly draining: Watched;
}

export class ProcessorUnderLoad {
  readonly #deployment: KafkaDeployment;
  readonly #processor: DeployedProcessor;
  readonly #bounds: Bounds;
  readonly #values: readonly Uint8Array[];
  readonly #keys: readonly Uint8Array[];
  readonly #writers: readonly Writer[];
  #written = 0;

  private constructor(
    { deployment, bounds, vector }: Overloaded,
    processor: DeployedProcessor,
    writers: readonly Writer[],
  ) {
    this.#deployment = deployment;
    this.#processor = processor;
    this.#writers = writers;
    this.#bounds = bounds;
    const encoder = new TextEncoder();
    const rows = Array.from({ length: pool }, (_, row) => row);
    this.#keys = rows.map((row) => encoder.encode(`p-${row}`));
    this.#values = rows.map(() => encoder.encode(JSON.stringify({ vector: vector(), weight: 1 })));
  }

  static async start(overloaded: Overloaded): Promise<ProcessorUnderLoad> {
    const { deployment } = overloaded;
    const open = () => deployment.broker.openWriter();
    const writers = await Promise.all(Array.from({ length: partitions }, open));
    return new ProcessorUnderLoad(overloaded, deployment.processor('one'), writers);
  }

  async overload(steadyMs: number, forMs: number): Promise<void> {
    const bounds = this.#bounds;
    await this.#deployment.drained(patienceMs);
    // The first rounds make it warm, and say how large the next has to be.
    let capacity = firstCapacity;
    for (let round = 0; round < capacityRounds; round += 1)
      capacity = await this.#capacity(capacity);
    bounds.say(`the processor takes ${Math.round(capacity)} points/s`);
    const steady = await this.#watch(() => this.#write(capacity / 2, steadyMs));
    await this.#untilTaken();
    const overloaded = await this.#watch(async () => {
      const flood = await this.#watch(() => this.#write(timesCapacity * capacity, forMs));
      const left = await this.#lag();
      return { flood, left, draining: await this.#watch(() => this.#untilTaken()) };
    });
    this.#judge(overloaded, steady, capacity);
  }

  /** Every point assigned once, in order; and the end in order. */
  async close(): Promise<void> {
    const { process } = this.#processor;
    for (const writer of this.#writers) await writer.close();
    await this.#deployment.drained(patienceMs);
    const code = await process.end('SIGTERM', 60_000);
    if (code !== 0)
      this.#bounds.find(`it ended with ${code} after SIGTERM:\n${lastWords(process)}`);
    const { kafka, broker } = this.#deployment;
    const ends = (await broker.listOffsets(topics.points)).map(({ end }) => end);
    const next = ends.map(() => 0);
    const amiss: string[] = [];
    await eachJudged(kafka, { topic: topics.assignments, idleMs }, (value) => {
      const { partition, offset } = JSON.parse(value) as { partition: number; offset: number };
      const due = next[partition]!;
      if (offset !== due) amiss.push(`${offset} of partition ${partition}, not ${due}`);
      next[partition] = offset + 1;
    });
    if (amiss.length > 0) {
      const first = amiss.slice(0, 3).join('; ');
      this.#bounds.find(
        `${amiss.length} assignments are not of the point after the last: ${first}`,
      );
    }
    if (next.join() !== ends.join()) {
      this.#bounds.find(`assignments end at ${next.join()}, points at ${ends.join()}`);
    }
    count(
      this.#bounds.counts,
      'points',
      ends.reduce((sum, end) => sum + end),
    );
  }

  #judge(overloaded: Watched<Flooded>, steady: Watched, capacity: number): void {
    const bounds = this.#bounds;
    const { flood, left, draining } = overloaded.result;
    const times = flood.result / flood.seconds / capacity;
    const taken = (flood.result - left) / flood.seconds;
    bounds.say(`  offered ${times.toFixed(1)} times that, took ${Math.round(taken)} meanwhile`);
    if (times < timesCapacityMin) {
      bounds.unjudged('overload of the processor', `only ${times.toFixed(1)} times its capacity`);
    }
    bounds.memory('processor', overloaded, steady, memoryLimit);
    bounds.eventLoop('processor', overloaded);
    const share = left / draining.seconds / capacity;
    const figure = `${(100 * share).toFixed(0)} % of its capacity`;
    bounds.inTime('drains', share >= drainedShareMin, figure, draining);
  }

  async #watch<T>(what: () => Promise<T>): Promise<Watched<T>> {
    const { pid } = this.#processor.process;
    return watchProcess({ pid, url: await this.#processor.url() }, what);
  }

  /** @returns the points it takes in a second, from a backlog that is there. */
  async #capacity(estimate: number): Promise<number> {
    const rows = Math.round((estimate * capacityMs) / 1_000 / partitions);
    await Promise.all(this.#writers.map((_, partition) => this.#append(partition, rows)));
    const [left, startedMs] = [await this.#lag(), performance.now()];
    await this.#untilTaken();
    return (1_000 * left) / (performance.now() - startedMs);
  }

  #lag(): Promise<number> {
    return this.#deployment.lag([topics.points]);
  }

  async #untilTaken(): Promise<void> {
    await eventually('no lag', async () => (await this.#lag()) === 0, patienceMs);
  }

  /** Each partition by itself: none waits for the answer about another. @returns how many that were. */
  async #write(rate: number, forMs: number): Promise<number> {
    const startedMs = performance.now();
    const ofEach = await Promise.all(
      this.#writers.map(async (_, partition) => {
        for (let written = 0; ; ) {
          const sinceMs = performance.now() - startedMs;
          if (sinceMs >= forMs) return written;
          const due = Math.floor((sinceMs * rate) / 1_000 / partitions) - written;
          if (due > 0) await this.#append(partition, due);
          else await sleep(tickMs);
          written += Math.max(0, due);
        }
      }),
    );
    return ofEach.reduce((sum, written) => sum + written);
  }

  async #append(partition: number, rows: number): Promise<void> {
    const records = new RecordBatchBuilder(rows, rows * bytesPerPoint);
    const nowMs = systemClock.nowMs();
    for (let row = 0; row < rows; row += 1) {
      const point = this.#written + row;
      records.append(nowMs, this.#keys[point % pool]!, this.#values[point % pool]!);
    }
    this.#written += rows;
    await this.#writers[partition]!.append([{ topic: topics.points, partition, records }]);
  }
}
