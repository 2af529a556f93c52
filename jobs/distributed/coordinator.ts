// The coordinator of a retrain: asks all ranges, step after step, and adds their answers up in the order of ranges. What it has
// learned stands in its log (job-log.ts) before it asks for more; so another one can go on in its place, at the step that was
// not finished, with the answers to it that are there already.

import type { Broker, PartitionReader } from '../../broker/index.ts';
import { AnswerCombiner, type Step, type StepAnswer } from '../../clustering/index.ts';
import {
  type RetrainJob,
  RetrainMessageReader,
  type RetrainReply,
  type RetrainStep,
  type RetrainTask,
  topics,
} from '../../schemas/index.ts';
import {
  type Clock,
  DependencyDownError,
  type Logger,
  MeanstreamError,
} from '../../support/index.ts';
import { requireGoing } from '../require-going.ts';
import type { FitSteps } from './fit-thread.ts';
import type { JobLog } from './job-log.ts';
import { RangeSchedule } from './range-schedule.ts';

export interface CoordinatorOptions {
  readonly broker: Broker;
  readonly log: JobLog;
  readonly job: RetrainJob;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Begins once so many workers were heard of, or one for `gatherMs`. */
  readonly workers: number;
  readonly workerTimeoutMs: number;
  /** How long to wait while no worker lives. */
  readonly workersWaitMsMax: number;
  readonly signal?: AbortSignal | undefined;
  readonly onReplayed?: ((records: number) => void) | undefined;
}

const gatherMs = 2_000;
const listenMs = 20;
/** How often it listens while the next step is being made. */
const thinkingMs = 200;

export class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #schedule: RangeSchedule;
  readonly #replayed = new Map<string, number>();
  readonly #replies = new RetrainMessageReader<RetrainReply>();
  #reader: PartitionReader | undefined;
  #step = -1;
  #livingMs = 0;
  /** What is known and not yet in the log: it goes there with the next step. */
  #unwritten: RetrainTask[] = [];

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    const { job, workerTimeoutMs } = options;
    this.#schedule = new RangeSchedule({ ranges: job.ranges.length, timeoutMs: workerTimeoutMs });
  }

  /** Runs the steps to their end. @throws JobCancelledError when the signal is aborted or another coordinator took over */
  async run<T>(steps: FitSteps<T>): Promise<T> {
    const known = this.#options.log.unfinished;
    const isResumed = known?.job.job === this.#options.job.job;
    try {
      let next = await steps.next();
      while (!next.done) {
        this.#step += 1;
        const recorded = isResumed ? known.answers.get(this.#step) : undefined;
        const pending = isResumed && known.step?.step === this.#step ? known.step : undefined;
        const answer = recorded ?? (await this.#ask(next.value, pending));
        next = await this.#listenDuring(steps.next(answer));
      }
      return next.value;
    } finally {
      await this.#reader?.close();
    }
  }

  /** The next step may take its time to think about: workers are heard meanwhile, and the signal is. */
  async #listenDuring<T>(thinking: T | Promise<T>): Promise<T> {
    if (!(thinking instanceof Promise)) return thinking;
    let isDone = false;
    const done = thinking.finally(() => {
      isDone = true;
    });
    done.catch(() => {});
    for (;;) {
      await Promise.race([done, this.#options.clock.sleep(thinkingMs)]);
      if (isDone) return done;
      requireGoing(this.#options.signal);
      if (this.#reader !== undefined) await this.#listen(undefined, new Map());
    }
  }

  /** @param pending as it was asked by the coordinator before this one */
  async #ask(request: Step, pending: RetrainStep<Step> | undefined): Promise<StepAnswer> {
    const { log, job, clock } = this.#options;
    this.#reader ??= await this.#openReader(pending);
    await this.#gather();
    const partialsFrom = pending?.partialsFrom ?? this.#reader.position;
    const owners = this.#schedule.beginStep(clock.monotonicMs());
    const step: RetrainTask = {
      ...{ type: 'step', job: job.job, step: this.#step, partialsFrom, owners, request },
    };
    await log.write([...this.#unwritten, step]);
    this.#unwritten = [];
    if (pending !== undefined) this.#reader.seek(partialsFrom);
    const answer = await this.#collect(request);
    this.#unwritten.push({ type: 'answer', job: job.job, step: this.#step, answer });
    return answer;
  }

  async #openReader(pending: RetrainStep<Step> | undefined): Promise<PartitionReader> {
    const { broker } = this.#options;
    const [offsets] = await broker.listOffsets(topics.retrainPartials);
    const { logStart, end } = offsets ?? { logStart: 0, end: 0 };
    const from = Math.max(logStart, pending?.partialsFrom ?? end);
    return broker.openReader({ topic: topics.retrainPartials, partition: 0 }, from);
  }

  /** Before the first step: until the workers that were promised are there. */
  async #gather(): Promise<void> {
    const { clock, workers } = this.#options;
    if (this.#schedule.workers.length > 0) return;
    const startedMs = clock.monotonicMs();
    this.#livingMs = startedMs;
    let firstMs = Infinity;
    while (this.#schedule.workers.length < workers) {
      await this.#listen(undefined, new Map());
      const nowMs = clock.monotonicMs();
      if (this.#schedule.workers.length > 0) firstMs = Math.min(firstMs, nowMs);
      if (nowMs - firstMs > gatherMs) return;
      this.#requireWorkers(nowMs);
    }
  }

  async #collect(request: Step): Promise<StepAnswer> {
    const { log, job, clock, logger, workerTimeoutMs } = this.#options;
    const reassign = { type: 'reassign', job: job.job, step: this.#step } as const;
    const combiner = new AnswerCombiner(request, job.shape.dims);
    const waiting = new Map<number, StepAnswer>();
    let added = 0;
    let heardMs = clock.monotonicMs();
    while (!this.#schedule.isComplete) {
      const before = waiting.size + added;
      await this.#listen(request, waiting);
      for (; waiting.has(added); added++) {
        combiner.add(waiting.get(added)!);
        waiting.delete(added);
      }
      const nowMs = clock.monotonicMs();
      if (waiting.size + added > before) heardMs = nowMs;
      else if (nowMs - heardMs > workerTimeoutMs) {
        // Workers drop a job that was cancelled or taken over: only writing tells whether it is still ours.
        await log.write([{ ...reassign, worker: '', ranges: [] }]);
        heardMs = nowMs;
      }
      for (const { worker, ranges } of this.#schedule.decide(nowMs)) {
        logger.info({ worker, ranges, step: this.#step }, 'ranges are given to another worker');
        await log.write([{ ...reassign, worker, ranges }]);
      }
      this.#requireWorkers(nowMs);
    }
    return combiner.result();
  }

  async #listen(request: Step | undefined, waiting: Map<number, StepAnswer>): Promise<void> {
    const { signal, clock, workerTimeoutMs } = this.#options;
    requireGoing(signal);
    const batch = await this.#reader!.read({ rowsMax: 256, waitMsMax: listenMs });
    for (let row = 0; row < batch.n; row++) {
      const reply = this.#replies.take(batch, row);
      if (reply === undefined) continue;
      const isFresh = batch.timestamps[row]! > clock.nowMs() - workerTimeoutMs;
      this.#hear(reply, isFresh, request, waiting);
    }
  }

  /** @param isFresh false: an answer counts, but its worker may be gone */
  #hear(
    reply: RetrainReply,
    isFresh: boolean,
    request: Step | undefined,
    waiting: Map<number, StepAnswer>,
  ): void {
    const { clock, job, onReplayed } = this.#options;
    const nowMs = clock.monotonicMs();
    if (reply.type === 'heartbeat') {
      if (isFresh) this.#schedule.heard(reply.worker, nowMs);
      if (reply.job !== job.job) return;
      this.#replayed.set(reply.worker, reply.replayed);
      onReplayed?.([...this.#replayed.values()].reduce((sum, records) => sum + records, 0));
      return;
    }
    if (reply.job !== job.job) return;
    if (reply.type === 'failed') {
      if (!isFresh) return;
      const text = `Worker ${reply.worker} cannot go on: ${reply.message}`;
      throw new MeanstreamError(reply.code, text, { worker: reply.worker });
    }
    if (request === undefined || reply.step !== this.#step) return;
    const isFirst = isFresh
      ? this.#schedule.answered(reply.range, reply.worker, nowMs)
      : this.#schedule.answeredBefore(reply.range);
    if (isFirst) waiting.set(reply.range, reply.answer as StepAnswer);
  }

  #requireWorkers(nowMs: number): void {
    const { workersWaitMsMax } = this.#options;
    if (this.#schedule.workers.length > 0) {
      this.#livingMs = nowMs;
      return;
    }
    if (nowMs - this.#livingMs <= workersWaitMsMax) return;
    throw new DependencyDownError(
      `No worker was heard of for ${workersWaitMsMax / 1000} s: start some with \`meanstream retrain-worker\`, then run \`meanstream retrain\` to go on with the job.`,
      { job: this.#options.job.job },
    );
  }
}
