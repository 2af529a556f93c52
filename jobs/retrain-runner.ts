// Who runs the retrains that are asked for on `model-commands`: one process at a time, and one job at a time in it.
//
//   leader       the member of the group `<application>-retrains` that has the one partition of `model-commands`. Whoever takes
//                over opens the group's transactional writer, and so fences the one before: what a leader that was frozen still
//                wants to write, of its job or of what came of it, is refused
//   by hand      a retrain outside of it is refused while the group has a member, and opens the same writer: where both begin at
//                one moment, whoever opens it last goes on, and the other publishes nothing
//   once         the end of the job, the version, the request for its promotion, the state "done" and the offset of the request are
//                one transaction. A leader that is killed leaves request and job where they were: the next one goes on with the job
//                from its log (distributed/job-log.ts), and what was published is never published again
//   cancelled    the topic is read on while a job runs. Its end, the state "cancelled" and the offset are one transaction too; a
//                request that was not begun never is
//   together     a request that nobody made by hand is skipped when a later one waits: both ask for all points so far. So
//                a schedule that is faster than its jobs makes no queue
//
// The state of a request is on `retrains`, by its id: the offset of the request.

import type {
  Append,
  Broker,
  GroupMember,
  PartitionReader,
  TransactionalWriter,
  Writer,
} from '../broker/index.ts';
import {
  type CancelRetrainCommand,
  decodeRetrainCommand,
  encodeRetrainState,
  type RecordBatch,
  RecordBatchBuilder,
  type RetrainCommand,
  type RetrainPhase,
  type RetrainState,
  recordValue,
  topics,
} from '../schemas/index.ts';
import {
  type Clock,
  InvalidRecordError,
  JobCancelledError,
  type Logger,
  MeanstreamError,
  nextBackoffMs,
  RefusedError,
  TaskMigratedError,
} from '../support/index.ts';
import { coordinatorId, type JobEnding, JobLog, retrainGroup } from './distributed/job-log.ts';
import { requireGoing } from './require-going.ts';
import { isPassing, type RetrainReport, type WriteOutcome } from './retrain.ts';

export interface RetrainHooks {
  /** The id of the request. */
  readonly request: string;
  /** The leader's: the job's log is written with it. */
  readonly writer: TransactionalWriter;
  /** Publishes what the job made, all or nothing. At most once a job. */
  readonly write: WriteOutcome;
  readonly onProgress: (phase: RetrainPhase) => void;
  /** Aborted when another process leads now, or nobody wants the job any more. */
  readonly signal: AbortSignal;
}

export type RunRetrainCommand = (
  command: RetrainCommand,
  hooks: RetrainHooks,
) => Promise<RetrainReport>;

export interface RetrainRunnerOptions {
  readonly broker: Broker;
  /** The application id. */
  readonly application: string;
  readonly instanceId: string;
  readonly sessionTimeoutMs: number;
  readonly run: RunRetrainCommand;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Request {
  readonly offset: number;
  readonly command: RetrainCommand;
  cancel?: CancelRetrainCommand;
}

const source = { topic: topics.modelCommands, partition: 0 } as const;
const readOptions = { rowsMax: 1_000, waitMsMax: 500 } as const;
/** While a job runs: the end of the job waits for it. */
const listenOptions = { rowsMax: 1_000, waitMsMax: 100 } as const;
const noEnding: JobEnding = { appends: [], offsets: [] };
/** Between attempts at a job that a passing fault interrupts, or at a log that is away; a cancellation is heard after it. */
const backoff = { msMin: 1_000, msMax: 30_000 } as const;
const progressEveryMs = 500;
const requestsMax = 10_000;

/** @throws RefusedError while some process serves retrains: what is begun beside it would only be fenced */
export async function refuseWhileServed(broker: Broker, application: string): Promise<void> {
  const members = await broker.groupMembers(retrainGroup(application));
  if (members === 0) return;
  throw new RefusedError(
    `Retrains of ${application} are served by ${members} live ${members === 1 ? 'process' : 'processes'} (retrain --serve), one at a time: ask for this one with POST /v1/retrains, or stop them first (one that was killed counts until session.timeout.ms has passed).`,
    { application, members },
  );
}

export class RetrainRunner {
  readonly #options: RetrainRunnerOptions;
  #member: GroupMember | undefined;
  /** Of the present leadership; undefined while another process leads. */
  #leading: AbortController | undefined;
  #work: Promise<void> = Promise.resolve();
  #stopped = false;
  #backoffMs = 0;

  constructor(options: RetrainRunnerOptions) {
    this.#options = options;
  }

  get isLeader(): boolean {
    return this.#leading !== undefined;
  }

  async start(): Promise<void> {
    const { broker, application, instanceId, sessionTimeoutMs } = this.#options;
    this.#member = await broker.joinGroup({
      group: retrainGroup(application),
      ...{ instanceId, sessionTimeoutMs },
      taskGroups: [{ id: 'retrains', topics: [source.topic] }],
      onAssignment: (tasks) => this.#onAssignment(tasks.length > 0),
    });
  }

  /** A job under way is dropped; whoever leads next runs it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#leading?.abort();
    this.#leading = undefined;
    await this.#work;
    await this.#member?.leave();
  }

  #onAssignment(leads: boolean): void {
    if (leads === this.isLeader || this.#stopped) return;
    if (!leads) {
      this.#leading?.abort();
      this.#leading = undefined;
      return;
    }
    const leading = new AbortController();
    this.#leading = leading;
    this.#work = this.#work.then(() => this.#lead(leading.signal));
  }

  async #lead(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    while (!signal.aborted) {
      const leadership = new Leadership(this.#options, signal, () => {
        this.#backoffMs = 0;
      });
      try {
        await leadership.open();
        await leadership.work();
      } catch (err) {
        if (signal.aborted) return;
        const lost = err instanceof TaskMigratedError;
        this.#backoffMs = nextBackoffMs(this.#backoffMs, backoff);
        logger.warn(
          { err, retryMs: this.#backoffMs },
          `retrains are interrupted${lost ? ': another process leads' : ''}`,
        );
      } finally {
        await leadership.close();
      }
      await clock.sleep(this.#backoffMs, signal);
    }
  }
}

/** From taking over to losing it, or to a fault of the log. */
class Leadership {
  readonly #options: RetrainRunnerOptions;
  readonly #signal: AbortSignal;
  /** Nothing is left that has failed: a request has ended, or there is none. */
  readonly #onSettled: () => void;
  readonly #waiting: Request[] = [];
  readonly #skipped: RetrainState[] = [];
  #running: { readonly request: Request; readonly stop: AbortController } | undefined;
  #writer!: TransactionalWriter;
  #progress!: Writer;

  constructor(options: RetrainRunnerOptions, signal: AbortSignal, onSettled: () => void) {
    this.#options = options;
    this.#signal = signal;
    this.#onSettled = onSettled;
  }

  /** Fences whoever led before. */
  async open(): Promise<void> {
    const { broker, application } = this.#options;
    this.#writer = await broker.openTransactionalWriter(coordinatorId(application));
    this.#progress = await broker.openWriter();
  }

  async work(): Promise<void> {
    const { broker, application } = this.#options;
    const [committed] = await broker.committedOffsets(retrainGroup(application), [source]);
    const [bounds] = await broker.listOffsets(source.topic);
    const from = Math.max(committed?.offset ?? 0, bounds?.logStart ?? 0);
    const reader = broker.openReader(source, from);
    try {
      while (!this.#signal.aborted) {
        // What came while a job ran is all known before the next is chosen.
        do this.#take(await reader.read(readOptions));
        while (reader.position < reader.end && this.#waiting.length < requestsMax);
        const next = this.#next();
        if (next !== undefined) await this.#attend(next, reader);
        if (next !== undefined || reader.position >= (bounds?.end ?? 0)) this.#onSettled();
      }
    } finally {
      await reader.close();
    }
  }

  async close(): Promise<void> {
    await this.#writer?.close();
    await this.#progress?.close();
  }

  /** Runs it, and listens meanwhile. */
  async #attend(request: Request, reader: PartitionReader): Promise<void> {
    const stop = new AbortController();
    const ended = new AbortController();
    this.#running = { request, stop };
    const listening = this.#listen(reader, ended.signal).catch((error) => {
      // A job that cannot be cancelled is left where it is.
      stop.abort();
      throw error;
    });
    const running = this.#run(request, stop).finally(() => ended.abort());
    await Promise.allSettled([running, listening]);
    this.#running = undefined;
    await listening;
    await running;
  }

  async #listen(reader: PartitionReader, ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      if (this.#waiting.length < requestsMax) this.#take(await reader.read(listenOptions));
      else await this.#options.clock.sleep(listenOptions.waitMsMax);
    }
  }

  #take(batch: RecordBatch): void {
    for (let row = 0; row < batch.n; row += 1) {
      const command = this.#commandIn(recordValue(batch, row));
      if (command?.command === 'retrain') {
        this.#waiting.push({ offset: batch.offsets[row]!, command });
      } else if (command !== undefined) this.#cancel(command);
    }
  }

  #cancel(cancel: CancelRetrainCommand): void {
    const isMeant = ({ offset }: Request) => String(offset) === cancel.id;
    const waiting = this.#waiting.find(isMeant);
    if (waiting !== undefined) waiting.cancel = cancel;
    const { request, stop } = this.#running ?? {};
    if (request === undefined || !isMeant(request)) return;
    request.cancel = cancel;
    stop?.abort();
  }

  #commandIn(value: Uint8Array | null): RetrainCommand | CancelRetrainCommand | undefined {
    try {
      return value === null ? undefined : decodeRetrainCommand(value);
    } catch (error) {
      if (!(error instanceof InvalidRecordError)) throw error;
      return undefined;
    }
  }

  /** The oldest that no later one covers, or that was cancelled. */
  #next(): Request | undefined {
    for (;;) {
      const request = this.#waiting.shift();
      if (request === undefined) return undefined;
      const later = this.#waiting.find(
        ({ command, cancel }) => cancel === undefined && command.k === request.command.k,
      );
      const isWanted = request.command.trigger === 'hand' || later === undefined;
      if (isWanted || request.cancel !== undefined) return request;
      const error = {
        code: 'MEANSTREAM_RETRAIN_COVERED',
        detail: `Request ${later.offset} came before this one was begun and asks for the same.`,
      };
      this.#skipped.push(this.#stateOf(request, { state: 'skipped', error, endedAtMs: this.#now }));
    }
  }

  async #run(request: Request, stop: AbortController): Promise<void> {
    if (request.cancel !== undefined) return this.#endCancelled(request, request.cancel);
    const { run, logger } = this.#options;
    const startedAtMs = this.#now;
    const running = { state: 'running', startedAtMs } as const;
    const said = new Progress((progress) =>
      this.#say(this.#stateOf(request, { ...running, progress })),
    );
    await said.now(null);
    const signal = AbortSignal.any([this.#signal, stop.signal]);
    let isWritten = false;
    const finish = async (change: Partial<RetrainState>, ending = noEnding): Promise<void> => {
      await said.end();
      const ended = this.#stateOf(request, { ...running, endedAtMs: this.#now, ...change });
      await this.#commit(request, ended, ending);
      isWritten = true;
    };
    try {
      const made = await run(request.command, {
        request: String(request.offset),
        writer: this.#writer,
        signal,
        onProgress: (phase) => said.maybe(phase, this.#options.clock.monotonicMs()),
        write: async (appends, offsets = []) => {
          requireGoing(signal);
          await finish({ state: 'done' }, { appends, offsets });
        },
      });
      const report = outcomeOf(made);
      const done = this.#stateOf(request, {
        ...running,
        state: 'done',
        endedAtMs: this.#now,
        report,
      });
      if (isWritten) await this.#say(done);
      else await finish({ state: 'done', report });
      logger.info({ ...report, request: request.offset }, 'a retrain that was asked for is done');
    } catch (err) {
      const { cancel } = request;
      if (cancel !== undefined && !isWritten && !this.#signal.aborted) {
        await said.end();
        return await this.#endCancelled(request, cancel, startedAtMs);
      }
      if (this.#signal.aborted || isLost(err)) throw err;
      logger.warn({ err, request: request.offset }, 'a retrain that was asked for has failed');
      const isOurs = err instanceof MeanstreamError;
      const code = isOurs ? err.code : 'MEANSTREAM_INTERNAL_ERROR';
      const detail = isOurs ? err.message : 'It failed; the log of the service says why.';
      const error = { code, detail };
      if (!isWritten) {
        await finish({ state: 'failed', error }, await this.#endingOf(request, 'failed', detail));
      } else
        await this.#say(
          this.#stateOf(request, { ...running, state: 'done', endedAtMs: this.#now, error }),
        );
    }
  }

  async #endCancelled(
    request: Request,
    { requestedBy, reason }: CancelRetrainCommand,
    startedAtMs: number | null = null,
  ): Promise<void> {
    const detail = `Cancelled by ${requestedBy}: ${reason}`;
    const error = { code: 'MEANSTREAM_JOB_CANCELLED', detail };
    const change = { state: 'cancelled', startedAtMs, endedAtMs: this.#now, error } as const;
    const ending = await this.#endingOf(request, 'cancelled', detail);
    await this.#commit(request, this.#stateOf(request, change), ending);
    this.#options.logger.info({ request: request.offset, requestedBy }, 'a retrain is cancelled');
  }

  /** Of the job that this leader, or one before it, has begun for a request; nothing where there is none. */
  async #endingOf(
    { offset }: Request,
    outcome: 'failed' | 'cancelled',
    reason: string,
  ): Promise<JobEnding> {
    const { broker, application, clock } = this.#options;
    const log = await JobLog.open({ broker, application, clock, writer: this.#writer });
    const job = log.unfinished?.job;
    if (job?.request !== String(offset)) return noEnding;
    return log.ending({ type: 'end', job: job.job, outcome, reason });
  }

  async #commit(
    { offset }: Request,
    ended: RetrainState,
    { appends, offsets }: JobEnding,
  ): Promise<void> {
    const { application } = this.#options;
    const states: Append = {
      ...{ topic: topics.retrains, partition: 0 },
      records: recordsOf([...this.#skipped, ended]),
    };
    await this.#writer.commit({
      appends: [...appends, states],
      group: retrainGroup(application),
      offsets: [...offsets, { ...source, offset: offset + 1, metadata: '' }],
    });
    this.#skipped.length = 0;
  }

  async #say(state: RetrainState): Promise<void> {
    const records = recordsOf([state]);
    await this.#progress.append([{ topic: topics.retrains, partition: 0, records }]);
  }

  #stateOf({ offset, command }: Request, change: Partial<RetrainState>): RetrainState {
    const { trigger, requestedBy, reason, timestampMs, k = null } = command;
    return {
      ...{ id: String(offset), state: 'requested', trigger, requestedBy, reason },
      ...{ requestedAtMs: timestampMs, k, startedAtMs: null, endedAtMs: null },
      runner: this.#options.instanceId,
      ...{ progress: null, report: null, error: null },
      ...change,
    };
  }

  get #now(): number {
    return this.#options.clock.nowMs();
  }
}

/** Progress goes out now and then, one record at a time, and never after the end. */
class Progress {
  readonly #say: (phase: RetrainPhase | null) => Promise<void>;
  #saying: Promise<void> = Promise.resolve();
  #isBusy = false;
  #saidMs = -Infinity;

  constructor(say: (phase: RetrainPhase | null) => Promise<void>) {
    this.#say = say;
  }

  now(phase: RetrainPhase | null): Promise<void> {
    return this.#say(phase);
  }

  maybe(phase: RetrainPhase, monotonicMs: number): void {
    if (this.#isBusy || monotonicMs - this.#saidMs < progressEveryMs) return;
    this.#isBusy = true;
    this.#saidMs = monotonicMs;
    // A row that could not be said is followed by another one; a log that is gone shows at the commit.
    this.#saying = this.#say(phase)
      .catch(() => {})
      .finally(() => {
        this.#isBusy = false;
      });
  }

  /** Once what is under way is written; nothing is said afterwards. */
  async end(): Promise<void> {
    this.#saidMs = Infinity;
    await this.#saying;
  }
}

function outcomeOf(report: RetrainReport): RetrainState['report'] {
  const { version, parent, points, inertia, parentInertia, promoted, durationMs } = report;
  return { version, parent, points, inertia, parentInertia, promoted, durationMs };
}

/** Another process leads, or nobody knows whether the commit is in the log: begin again at what is committed. */
function isLost(err: unknown): boolean {
  return err instanceof TaskMigratedError || err instanceof JobCancelledError || isPassing(err);
}

function recordsOf(states: readonly RetrainState[]): RecordBatchBuilder {
  const records = new RecordBatchBuilder();
  for (const state of states) {
    const key = new TextEncoder().encode(state.id);
    records.append(state.endedAtMs ?? state.startedAtMs ?? 0, key, encodeRetrainState(state));
  }
  return records;
}
