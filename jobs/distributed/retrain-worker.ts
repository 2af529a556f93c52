// A worker of retrains: waits for a job on `retrain-tasks`, replays the ranges that fall to it into local segments, and answers
// every step for them on `retrain-partials`. It keeps nothing that a job needs: another one can do the same from the log.
//
// It listens between blocks of rows. A step that another has followed is dropped where it stands, and so is a job that ended.

import { join } from 'node:path';
import type { Broker, PartitionReader, Writer } from '../../broker/index.ts';
import { chooseKernels, type Step, type StepAnswer } from '../../clustering/index.ts';
import {
  encodeRetrainReply,
  type JobRange,
  RecordBatchBuilder,
  type RetrainJob,
  RetrainMessageReader,
  type RetrainReply,
  type RetrainRows,
  type RetrainStep,
  type RetrainTask,
  topics,
} from '../../schemas/index.ts';
import {
  type Clock,
  type Logger,
  MeanstreamError,
  nextTurn,
  SegmentCorruptedError,
} from '../../support/index.ts';
import { retrainGroup } from './job-log.ts';
import { RangeHolder, type ReplayedRows } from './range-holder.ts';

export interface RetrainWorkerOptions {
  readonly broker: Broker;
  /** The application id. */
  readonly application: string;
  /** Of this very process: never one that another had, or has. */
  readonly workerId: string;
  /** Segments lie in a folder of the worker's name in it. */
  readonly folder: string;
  readonly diskBytesMax: number;
  readonly memoryBytesMax: number;
  readonly encrypted: boolean;
  readonly heartbeatMs: number;
  /** Ends when the first job has that it hears of, or when it has heard of none for so long. */
  readonly onceWithinMs?: number | undefined;
  /** Replays a range of the log. */
  readonly openRange: (job: RetrainJob, range: JobRange) => AsyncIterable<ReplayedRows>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const idleWaitMs = 100;
/** How often it listens while it works. */
const listenMs = 20;

interface Work {
  readonly job: RetrainJob;
  readonly holder: RangeHolder;
  readonly rows: Map<number, RetrainRows>;
  readonly counted: Set<number>;
  step: RetrainStep<Step> | undefined;
  /** Ranges of the step that are to be answered. */
  todo: number[];
  replayed: number;
}

export class RetrainWorker {
  readonly #options: RetrainWorkerOptions;
  readonly #messages = new RetrainMessageReader<RetrainTask>();
  #reader: PartitionReader | undefined;
  #writer: Writer | undefined;
  #sending: Promise<void> = Promise.resolve();
  #work: Work | undefined;
  #listenedMs = 0;
  #jobsEnded = 0;

  constructor(options: RetrainWorkerOptions) {
    this.#options = options;
  }

  /** Until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { broker, clock, heartbeatMs } = this.#options;
    this.#writer = await broker.openWriter();
    this.#reader = broker.openReader(tasks, await this.#startOfJob());
    let failure: unknown;
    const beat = () => {
      this.#send(this.#heartbeat()).catch((error) => {
        failure = error;
      });
    };
    const stopBeating = clock.every(heartbeatMs, beat);
    beat();
    try {
      const startedMs = clock.monotonicMs();
      while (!signal.aborted && failure === undefined && !this.#isDone(startedMs)) {
        await this.#listen(this.#work?.todo.length ? 0 : idleWaitMs);
        const range = this.#work?.todo[0];
        if (range !== undefined) await this.#attend(this.#work!, range, signal);
      }
      if (failure !== undefined) throw failure;
    } finally {
      stopBeating();
      this.#end();
      await this.#sending.catch(() => {});
      await this.#reader.close();
      await this.#writer.close();
    }
  }

  #isDone(startedMs: number): boolean {
    const { onceWithinMs, clock } = this.#options;
    if (onceWithinMs === undefined || this.#work !== undefined) return false;
    return this.#jobsEnded > 0 || clock.monotonicMs() - startedMs > onceWithinMs;
  }

  /** Where the job begins that is under way, if one is. */
  async #startOfJob(): Promise<number> {
    const { broker, application } = this.#options;
    const [committed] = await broker.committedOffsets(retrainGroup(application), [tasks]);
    const [offsets] = await broker.listOffsets(topics.retrainTasks);
    const { logStart, end } = offsets ?? { logStart: 0, end: 0 };
    return Math.min(end, Math.max(logStart, committed?.offset ?? end));
  }

  async #listen(waitMsMax: number): Promise<void> {
    this.#listenedMs = this.#options.clock.monotonicMs();
    const batch = await this.#reader!.read({ rowsMax: 256, waitMsMax });
    for (let row = 0; row < batch.n; row++) {
      const task = this.#messages.take(batch, row);
      if (task !== undefined) this.#hear(task);
    }
  }

  #hear(task: RetrainTask): void {
    const { workerId } = this.#options;
    if (task.type === 'job') this.#begin(task);
    const work = this.#work;
    if (work === undefined || task.job !== work.job.job) return;
    if (task.type === 'rows') work.rows.set(task.range, task);
    else if (task.type === 'step') {
      work.step = task as RetrainStep<Step>;
      work.todo = [...task.owners.keys()].filter((range) => task.owners[range] === workerId);
    } else if (task.type === 'reassign') {
      if (task.worker !== workerId || task.step !== work.step?.step) return;
      work.todo.push(...task.ranges.filter((range) => !work.todo.includes(range)));
    } else if (task.type === 'end') {
      this.#jobsEnded += 1;
      this.#end();
    }
  }

  #begin(job: RetrainJob): void {
    this.#end();
    const { folder, workerId, diskBytesMax, memoryBytesMax, encrypted } = this.#options;
    const holder = new RangeHolder({
      folder: join(folder, workerId),
      dims: job.shape.dims,
      seed: job.seed,
      kernels: chooseKernels().kernels,
      ...{ diskBytesMax, memoryBytesMax, encrypted },
    });
    const [rows, counted] = [new Map<number, RetrainRows>(), new Set<number>()];
    this.#work = { job, holder, rows, counted, step: undefined, todo: [], replayed: 0 };
  }

  #end(): void {
    this.#work?.holder.close();
    this.#work = undefined;
  }

  async #attend(work: Work, range: number, signal: AbortSignal): Promise<void> {
    const { workerId, logger } = this.#options;
    const { job } = work.job;
    const step = work.step!;
    const isStale = () => signal.aborted || this.#work !== work || work.step !== step;
    try {
      const answer = await this.#answer(work, range, step.request, isStale);
      if (answer === undefined) return;
      work.todo = work.todo.filter((other) => other !== range);
      await this.#send({ type: 'partial', worker: workerId, job, step: step.step, range, answer });
    } catch (error) {
      const code = error instanceof MeanstreamError ? error.code : 'MEANSTREAM_FATAL';
      const message = error instanceof Error ? error.message : String(error);
      logger.error({ err: error, job, range }, 'this worker cannot go on with the job');
      await this.#send({ type: 'failed', worker: workerId, job, code, message });
      this.#end();
    }
  }

  /** Undefined when it was dropped. */
  async #answer(
    work: Work,
    range: number,
    request: Step,
    isStale: () => boolean,
  ): Promise<StepAnswer | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        const held = work.holder.work(range) ?? (await this.#pack(work, range, isStale));
        if (held === undefined) return undefined;
        const answering = held.answer(request);
        for (;;) {
          const next = answering.next();
          if (next.done) return next.value;
          if (!(await this.#isDropped(isStale))) continue;
          answering.return(undefined as never);
          return undefined;
        }
      } catch (error) {
        if (!(error instanceof SegmentCorruptedError) || attempt > 1) throw error;
        this.#options.logger.warn({ err: error, range }, 'the range is replayed again');
        work.holder.drop(range);
      }
    }
  }

  async #isDropped(isStale: () => boolean): Promise<boolean> {
    await nextTurn();
    const { clock } = this.#options;
    if (clock.monotonicMs() - this.#listenedMs >= listenMs) await this.#listen(0);
    return isStale();
  }

  async #pack(work: Work, range: number, isStale: () => boolean) {
    const dropped = Symbol('dropped');
    const rows = this.#rowsOf(work, range);
    const isDropped = () => this.#isDropped(isStale);
    async function* watched(): AsyncGenerator<ReplayedRows> {
      for await (const some of rows) {
        if (await isDropped()) throw dropped;
        yield some;
      }
    }
    try {
      return await work.holder.pack(range, watched());
    } catch (error) {
      if (error === dropped) return undefined;
      throw error;
    }
  }

  async *#rowsOf(work: Work, range: number): AsyncGenerator<ReplayedRows> {
    const given = work.rows.get(range);
    if (given !== undefined) {
      const { values, weights } = given;
      yield { values, weights, n: weights.length, records: 0 };
      return;
    }
    const isFirst = !work.counted.has(range);
    work.counted.add(range);
    for await (const some of this.#options.openRange(work.job, work.job.ranges[range]!)) {
      if (isFirst) work.replayed += some.records;
      yield some;
    }
  }

  #heartbeat(): RetrainReply {
    const { job = null } = this.#work?.job ?? {};
    const replayed = this.#work?.replayed ?? 0;
    return { type: 'heartbeat', worker: this.#options.workerId, job, replayed };
  }

  /** One after the other, in the order they were sent. */
  #send(reply: RetrainReply): Promise<void> {
    const values = encodeRetrainReply(reply);
    const bytes = values.reduce((sum, { length }) => sum + length, 0);
    const records = new RecordBatchBuilder(values.length, bytes + 64 * values.length);
    const key = new TextEncoder().encode(this.#options.workerId);
    for (const value of values) records.append(this.#options.clock.nowMs(), key, value);
    const sent = this.#sending.then(async () => {
      await this.#writer!.append([{ topic: topics.retrainPartials, partition: 0, records }]);
    });
    this.#sending = sent;
    return sent;
  }
}

const tasks = { topic: topics.retrainTasks, partition: 0 } as const;
