// The durable half of a coordinator: its job is what stands on `retrain-tasks`. One living writer of a transactional id, so there
// is one coordinator at a time; opening it takes the log over, and whoever had it before is fenced at its next word.
//
// The committed offset of the group is where the job under way begins, or the end of the topic when none is. A new coordinator
// reads from there: the job, the answers that all ranges' answers came to, and the step that nobody has finished. A job whose
// beginning is not all there is none.

import type {
  Append,
  Broker,
  CommittedOffset,
  Transaction,
  TransactionalWriter,
} from '../../broker/index.ts';
import type { Step, StepAnswer } from '../../clustering/index.ts';
import {
  encodeRetrainTask,
  RecordBatchBuilder,
  type RetrainEnd,
  type RetrainJob,
  RetrainMessageReader,
  type RetrainStep,
  type RetrainTask,
  topics,
} from '../../schemas/index.ts';
import { type Clock, JobCancelledError, TaskMigratedError } from '../../support/index.ts';

/** Its members serve retrains, its one leader runs them; its offsets say which requests are done, and where the job begins. */
export function retrainGroup(application: string): string {
  return `${application}-retrains`;
}

/** The transactional id of whoever runs a retrain, by hand or served: the last to open it is the only one that publishes. */
export function coordinatorId(application: string): string {
  return `${application}-retrains`;
}

export interface JobLogOptions {
  readonly broker: Broker;
  readonly application: string;
  readonly clock: Clock;
  /** Of `coordinatorId`, where it is open already; the caller closes it. */
  readonly writer?: TransactionalWriter | undefined;
}

/** What a transaction needs to end a job, beside all that becomes true with it. */
export type JobEnding = Pick<Transaction, 'appends' | 'offsets'>;

/** A job that was begun and not ended, as a coordinator finds it. */
export interface UnfinishedJob {
  readonly job: RetrainJob;
  /** By step. */
  readonly answers: ReadonlyMap<number, StepAnswer>;
  /** The last one asked. */
  readonly step: RetrainStep<Step> | undefined;
}

const tasks = { topic: topics.retrainTasks, partition: 0 } as const;

export class JobLog {
  readonly #options: JobLogOptions;
  readonly #writer: TransactionalWriter;
  readonly unfinished: UnfinishedJob | undefined;

  private constructor(
    options: JobLogOptions,
    writer: TransactionalWriter,
    unfinished: UnfinishedJob | undefined,
  ) {
    this.#options = options;
    this.#writer = writer;
    this.unfinished = unfinished;
  }

  /** Takes over from whoever had it. */
  static async open(options: JobLogOptions): Promise<JobLog> {
    const { broker, application } = options;
    const writer =
      options.writer ?? (await broker.openTransactionalWriter(coordinatorId(application)));
    try {
      return new JobLog(options, writer, await unfinishedJob(options));
    } catch (error) {
      if (options.writer === undefined) await writer.close();
      throw error;
    }
  }

  /** Begins a job; `rows` are what it brings with it. */
  async begin(job: RetrainJob, rows: readonly RetrainTask[]): Promise<void> {
    await this.#commit([appendOf([job], this.#options.clock)], [await this.#endOfTasks()]);
    // One by one: each may be nearly as large as a record can be.
    for (const task of rows) await this.write([task]);
  }

  async write(messages: readonly RetrainTask[]): Promise<void> {
    await this.#commit([appendOf(messages, this.#options.clock)]);
  }

  /** Ends the job, and publishes what came of it: both or neither. */
  async end(message: RetrainEnd, published: readonly Append[] = []): Promise<void> {
    const { appends, offsets } = await this.ending(message);
    await this.#commit([...appends, ...published], offsets);
  }

  /** For a transaction of somebody else's that says more. */
  async ending(message: RetrainEnd): Promise<JobEnding> {
    const appends = [appendOf([message], this.#options.clock)];
    return { appends, offsets: [await this.#endOfTasks()] };
  }

  async close(): Promise<void> {
    if (this.#options.writer === undefined) await this.#writer.close();
  }

  async #endOfTasks(): Promise<CommittedOffset> {
    const [offsets] = await this.#options.broker.listOffsets(topics.retrainTasks);
    return { ...tasks, offset: offsets?.end ?? 0, metadata: '' };
  }

  async #commit(
    appends: readonly Append[],
    offsets: readonly CommittedOffset[] = [],
  ): Promise<void> {
    const group = retrainGroup(this.#options.application);
    try {
      await this.#writer.commit({ appends, group, offsets });
    } catch (error) {
      if (!(error instanceof TaskMigratedError)) throw error;
      throw new JobCancelledError(
        'Another coordinator has taken the retrain over, or cancelled it; this one has stopped.',
        { cause: error },
      );
    }
  }
}

function appendOf(messages: readonly RetrainTask[], clock: Clock): Append {
  const records = new RecordBatchBuilder();
  for (const message of messages) {
    const key = new TextEncoder().encode(message.job);
    for (const value of encodeRetrainTask(message)) records.append(clock.nowMs(), key, value);
  }
  return { ...tasks, records };
}

/** The job that was begun and not ended, if there is one. Only looks. */
export async function unfinishedJob({
  broker,
  application,
}: Pick<JobLogOptions, 'broker' | 'application'>): Promise<UnfinishedJob | undefined> {
  const [committed] = await broker.committedOffsets(retrainGroup(application), [tasks]);
  const [offsets] = await broker.listOffsets(topics.retrainTasks);
  if (committed === undefined || offsets === undefined) return undefined;
  const reader = broker.openReader(tasks, Math.max(committed.offset, offsets.logStart));
  let job: RetrainJob | undefined;
  let step: RetrainStep<Step> | undefined;
  const answers = new Map<number, StepAnswer>();
  const rows = new Set<number>();
  const messages = new RetrainMessageReader<RetrainTask>();
  try {
    while (reader.position < offsets.end) {
      const batch = await reader.read({ rowsMax: 256, waitMsMax: 1_000 });
      for (let row = 0; row < batch.n; row++) {
        const task = messages.take(batch, row);
        if (task === undefined) continue;
        if (task.type === 'job') {
          job = task;
          step = undefined;
          answers.clear();
          rows.clear();
        } else if (task.job !== job?.job) continue;
        else if (task.type === 'rows') rows.add(task.range);
        else if (task.type === 'step') step = task as RetrainStep<Step>;
        else if (task.type === 'answer') answers.set(task.step, task.answer as StepAnswer);
        else if (task.type === 'end') job = undefined;
      }
    }
  } finally {
    await reader.close();
  }
  const isWhole = job?.ranges.every(({ partition }, range) => partition >= 0 || rows.has(range));
  return job === undefined || !isWhole ? undefined : { job, answers, step };
}
