// Retrain: replay a fixed offset range of `points`, fit scaler and full-batch k-means, publish the version, ask for promotion.
//
// 1. Read the current model; fix the range per partition (log start … committed offset, or from the newest coreset on).
// 2. Fit (clustering/ranges/range-fit.ts says how): over points in the memory of this process, or by coordinator and workers
//    (distributed/) over data of any size. The same plan gives the same bits either way, on any number of workers.
// 3. Carry ids over (the cheapest pairing by co-assignments), mint the others.
// 4. Fold all that was seen into a coreset, kept as an artifact: the next retrain begins with it.
// 5. Publish under its version; when it is no worse than its parent on the same points, command its promotion and wait until the
//    owner has published it as current. Assign tasks take it with their next transaction.

import type { Append, Broker, CommittedOffset, TransactionalWriter } from '../broker/index.ts';
import type { RangeFit, RangeFitProblem, RangeIteration } from '../clustering/index.ts';
import {
  decodeModel,
  encodeModel,
  type Model,
  type RetrainJob,
  type RetrainTask,
  topics,
} from '../schemas/index.ts';
import type { ArtifactName, ArtifactStore } from '../state-stores/index.ts';
import {
  type Clock,
  InvalidSettingError,
  JobCancelledError,
  type Logger,
  MeanstreamError,
  type Metrics,
} from '../support/index.ts';
import { candidateOf } from './candidate.ts';
import {
  joinedRanges,
  keepCoreset,
  keepParent,
  lineageOf,
  readCoreset,
  type StoredCoreset,
  storedCoreset,
  whyForeign,
} from './coreset-archive.ts';
import { Coordinator } from './distributed/coordinator.ts';
import { type FitSteps, FitThread } from './distributed/fit-thread.ts';
import { JobLog } from './distributed/job-log.ts';
import { type Fit, type FitOutput, type FitProgress, fitInWorker } from './fit.ts';
import { ModelFollower } from './model-follower.ts';
import { claimVersion, releaseVersion } from './publish-version.ts';
import { type DecodePoints, type PlannedRange, recordsIn, replayPoints } from './replay.ts';
import { requireGoing } from './require-going.ts';
import { planOver, planRetrain, type RetrainPlan } from './retrain-plan.ts';

export interface RetrainOptions {
  readonly broker: Broker;
  /** The consumer group whose committed offsets end the range: the application id. */
  readonly group: string;
  /** Default: the current model's. */
  readonly k?: number | undefined;
  readonly seed: number;
  /** Never with cosine: metric and missing values are the parent's. */
  readonly scaling: boolean;
  /** Publish as a candidate only, when false. */
  readonly promote: boolean;
  /** Not promoted at once: set beside the champion, where live points decide. */
  readonly gate?: boolean | undefined;
  readonly requestedBy: string;
  readonly reason: string;
  readonly codeVersion: string;
  readonly decode: DecodePoints;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** Where coresets are kept; without it there are none. */
  readonly artifacts?: ArtifactStore | undefined;
  /** Begin with the newest coreset and replay what is newer; else replay all that the log has. */
  readonly fromCoreset?: boolean;
  /** Fit by workers that answer over the broker; else in memory. */
  readonly team?: TeamOptions | undefined;
  readonly fit?: Fit | undefined;
  readonly onProgress?: (progress: RetrainProgress) => void;
  readonly promotionWaitMsMax?: number | undefined;
  /** The id of the request that it is run for; a job that was begun for it is gone on with. Default: by hand, for none. */
  readonly request?: string | undefined;
  /** How version and promotion reach the log; see publish-version.ts. With it, a job's end is for who gave it to write. */
  readonly write?: WriteOutcome | undefined;
  /** Aborted: nothing is published any more. */
  readonly signal?: AbortSignal | undefined;
}

/** All of it in one transaction of the group of retrains. */
export type WriteOutcome = (
  appends: readonly Append[],
  offsets?: readonly CommittedOffset[],
) => Promise<void>;

export interface TeamOptions {
  /** To wait for before it begins. */
  readonly workers: number;
  readonly workerTimeoutMs: number;
  readonly workersWaitMsMax: number;
  /** What an aborted signal means: the job is over, or another coordinator may go on. */
  readonly onAbort?: () => 'cancel' | 'leave';
  /** Of `coordinatorId`, where it is open already. */
  readonly writer?: TransactionalWriter | undefined;
  /** Where the steps are made; default: in a thread of their own. */
  readonly openSteps?: OpenFitSteps | undefined;
}

export type OpenFitSteps = (
  problem: RangeFitProblem,
  onIteration: (report: RangeIteration) => void,
) => FitSteps<RangeFit>;

export type RetrainProgress =
  | { readonly phase: 'replay'; readonly records: number; readonly of: number }
  | {
      readonly phase: 'fit';
      /** Above `runs`: it begins at the parent's centroids once more. */
      readonly run: number;
      readonly runs: number;
      readonly iteration: number;
      readonly inertia: number;
    };

export interface RetrainReport {
  readonly version: string;
  readonly parent: string;
  /** Points that the version was made from, those behind the coreset included. */
  readonly points: number;
  readonly history: RetrainHistory;
  readonly ranges: readonly PlannedRange[];
  /** Σ squared distance to the nearest centroid over the replayed points, in the candidate's space. */
  readonly inertia: number;
  readonly parentInertia: number;
  readonly iterations: number;
  readonly idsKept: number;
  readonly durationMs: number;
  readonly promoted: boolean;
  /** It is scored beside the champion now. */
  readonly shadow?: boolean;
}

/** What of the points was seen as they were, and what through a coreset. */
export interface RetrainHistory {
  readonly exactPoints: number;
  readonly summaryPoints: number;
  /** The rows that stand for them. */
  readonly summaryRows: number;
  /** 0…1 */
  readonly exactShare: number;
  /** The coreset that this retrain has made, if there is a place for it. */
  readonly coreset: string | null;
}

type Outcome = Omit<RetrainReport, 'durationMs'>;

export async function runRetrain(options: RetrainOptions): Promise<RetrainReport> {
  const startedMs = options.clock.monotonicMs();
  const follower = await ModelFollower.open(options.broker);
  try {
    const retrain = isByTeam(options, follower) ? retrainByTeam : retrainInMemory;
    const report = await retrain(options, follower);
    const durationMs = options.clock.monotonicMs() - startedMs;
    options.metrics?.retrainRuns.inc({ outcome: report.promoted ? 'promoted' : 'candidate' });
    options.metrics?.retrainDuration.set(durationMs / 1000);
    return { ...report, durationMs };
  } catch (error) {
    options.metrics?.retrainRuns.inc({ outcome: 'failed' });
    throw error;
  } finally {
    await follower.close();
  }
}

/** A model of points with gaps has no job of ranges: by hand one is told so, a request is run all the same. */
function isByTeam({ team, request }: RetrainOptions, { registry }: ModelFollower): boolean {
  const isPartial = registry.current()?.missing === 'partial';
  return team !== undefined && !(isPartial && request !== undefined);
}

/** Whether it may be over in a while: a job that it interrupted is there to be gone on with. */
export function isPassing(error: unknown): boolean {
  return error instanceof MeanstreamError && passing.includes(error.code);
}

const passing = [
  'MEANSTREAM_COMMIT_OUTCOME_UNKNOWN',
  'MEANSTREAM_RETRIABLE',
  'MEANSTREAM_DEPENDENCY_DOWN',
];

/** All of a job that stays the same whoever coordinates it; on `retrain-tasks` as its plan. */
interface JobPlan extends RetrainPlan {
  readonly parent: Uint8Array;
  readonly createdAtMs: number;
  readonly requestedBy: string;
  readonly reason: string;
  readonly promote: boolean;
  readonly gate: boolean;
  readonly codeVersion: string;
}

async function planJob(
  options: RetrainOptions,
  follower: ModelFollower,
): Promise<{ plan: JobPlan; parent: Model; stored: StoredCoreset | undefined }> {
  const parent = follower.registry.current();
  if (parent === undefined) {
    throw new InvalidSettingError(
      'There is no model to retrain yet. Produce points and let the stream bootstrap its first one.',
    );
  }
  const { artifacts, fromCoreset = true, k = parent.k, clock, missing } = { ...options, ...parent };
  const hasBase = artifacts !== undefined && fromCoreset && missing !== 'partial';
  const newest = hasBase ? await readCoreset(artifacts, options.group) : undefined;
  const foreign = newest && whyForeign(newest.lineage, follower.registry);
  if (newest !== undefined && foreign !== undefined) {
    const { artifact, lineage } = newest;
    const text = `the newest coreset is not used: ${foreign}; this retrain begins with what the log has, and leaves a new one`;
    options.logger.warn({ artifact, lineage }, text);
  }
  const found = foreign === undefined ? newest : undefined;
  const planned = await planRetrain({ ...options, k: options.k ?? k, parent, stored: found });
  const { requestedBy, reason, promote, gate = false, codeVersion } = options;
  const plan: JobPlan = {
    ...planned,
    ...{ parent: encodeModel(parent), createdAtMs: clock.nowMs() },
    ...{ requestedBy, reason, promote, gate, codeVersion },
  };
  return { plan, parent, stored: planned.base === undefined ? undefined : found };
}

async function retrainInMemory(options: RetrainOptions, follower: ModelFollower): Promise<Outcome> {
  const { plan, parent, stored } = await planJob(options, follower);
  const fit = await fitInMemory(options, plan, parent, stored);
  return release(options, follower, plan, fit);
}

async function fitInMemory(
  { broker, decode, fit: fitWith = fitInWorker, onProgress, signal }: FitOptions,
  { pieces, ranges, problem }: RetrainPlan,
  shape: Model,
  stored: StoredCoreset | undefined,
): Promise<FitOutput> {
  const of = recordsIn(ranges);
  const points = await replayPoints({
    ...{ broker, decode, pieces, shape, summary: stored?.coreset },
    onProgress(records) {
      requireGoing(signal);
      onProgress?.({ phase: 'replay', records, of });
    },
  });
  const onIteration = (progress: FitProgress) => {
    onProgress?.({ phase: 'fit', runs: 1, ...progress });
  };
  const fit = await fitWith({ ...points, ...problem }, onIteration, signal);
  requireGoing(signal);
  return fit;
}

type FitOptions = Pick<RetrainOptions, 'broker' | 'decode' | 'fit' | 'onProgress' | 'signal'>;

export interface RefitOptions extends FitOptions {
  /** The recorded candidate. */
  readonly made: Model;
  readonly parent: Model;
  /** Where the coreset is that it began with, if it did. */
  readonly artifacts?: ArtifactStore | undefined;
}

/** Makes a version again from what its record names: range, seed, k, parameters and parent. The same bits, if all is right. */
export async function refit({ made, parent, artifacts, ...options }: RefitOptions): Promise<Model> {
  const { seed, k, version, createdAtMs, codeVersion, offsets, parameters = {} } = made;
  const ranges = Object.entries(offsets).map(([partition, { from, to }]) => ({
    ...{ partition: Number(partition), from, to, committed: true },
  }));
  const stored = await beginningOf(parameters.coreset, artifacts);
  const scaling = parameters.scaling === 'standard';
  const plan = planOver(ranges, { parent, k, seed, scaling }, stored);
  const fit = await fitInMemory(options, plan, parent, stored);
  const parts = { fit, parent, ranges, version, seed, createdAtMs, codeVersion, parameters };
  return candidateOf(parts).model;
}

async function beginningOf(
  name: string | undefined,
  artifacts: ArtifactStore | undefined,
): Promise<StoredCoreset | undefined> {
  if (name === undefined) return undefined;
  const stored = artifacts && (await storedCoreset(artifacts, name as ArtifactName));
  if (stored !== undefined) return stored;
  throw new InvalidSettingError(
    `The version began with coreset ${name}, which is not in artifacts.location. Set it to where the retrain had kept it.`,
    { coreset: name },
  );
}

async function retrainByTeam(options: RetrainOptions, follower: ModelFollower): Promise<Outcome> {
  const { broker, group, clock, logger, team } = options;
  const log = await JobLog.open({ broker, application: group, clock, writer: team!.writer });
  const found = log.unfinished?.job;
  let job: RetrainJob | undefined;
  let isEnded = false;
  try {
    if (found !== undefined && (await canGoOn(options, found))) {
      job = found;
      logger.warn({ job: job.job }, 'going on with the retrain that was not finished');
    } else job = await beginJob(options, follower, log);
    const plan = job.plan as JobPlan;
    const fit = await fitByTeam(options, log, job, plan);
    const { job: name } = job;
    const write: WriteOutcome = async (appends) => {
      requireGoing(options.signal);
      const end = { type: 'end', job: name, outcome: 'done', reason: '' } as const;
      if (options.write === undefined) await log.end(end, appends);
      else {
        const ending = await log.ending(end);
        await options.write([...ending.appends, ...appends], ending.offsets);
      }
      isEnded = true;
    };
    return await release({ ...options, write }, follower, plan, fit);
  } catch (error) {
    if (job !== undefined && !isEnded) await endFailed(options, log, job, error);
    throw error;
  } finally {
    await log.close();
  }
}

/** One of the same request, by the same code, whose points are all there. What another one had begun is begun anew. */
async function canGoOn(
  { broker, request, codeVersion }: RetrainOptions,
  job: RetrainJob,
): Promise<boolean> {
  const { codeVersion: begunBy } = job.plan as JobPlan;
  if (job.request !== (request ?? null) || begunBy !== codeVersion) return false;
  const offsets = await broker.listOffsets(topics.points);
  return job.ranges.every(
    ({ partition, from }) => partition < 0 || from >= (offsets[partition]?.logStart ?? Infinity),
  );
}

/** A job whose workers are gone, or whose coordinator was asked to leave, is there to be gone on with. */
async function endFailed(
  { team, signal, logger, write }: RetrainOptions,
  log: JobLog,
  { job }: RetrainJob,
  error: unknown,
): Promise<void> {
  const isAborted = signal?.aborted === true;
  if (write !== undefined || isPassing(error)) return;
  if (error instanceof JobCancelledError && !isAborted) return;
  if (isAborted && team?.onAbort?.() !== 'cancel') return;
  const outcome = isAborted ? 'cancelled' : 'failed';
  const reason = error instanceof Error ? error.message : String(error);
  await log.end({ type: 'end', job, outcome, reason }).catch((err) => {
    logger.warn({ err, job }, 'the end of the job could not be written; a retrain will find it');
  });
}

async function beginJob(
  options: RetrainOptions,
  follower: ModelFollower,
  log: JobLog,
): Promise<RetrainJob> {
  const { plan, parent, stored } = await planJob(options, follower);
  const { dims, features, metric, missing } = parent;
  if (missing === 'partial') {
    throw new InvalidSettingError(
      'model.missing is partial: such a model is retrained in the memory of one process. Start it with --in-memory.',
    );
  }
  const name = `${options.requestedBy}-${plan.createdAtMs}`;
  const job: RetrainJob = {
    ...{ type: 'job', job: name, request: options.request ?? null },
    ...{ ranges: plan.pieces, seed: plan.problem.seed },
    ...{ shape: { dims, features, metric, missing }, metric, missing, plan },
  };
  await log.begin(job, stored === undefined ? [] : summaryRows(job, stored));
  return job;
}

function summaryRows(job: RetrainJob, { coreset }: StoredCoreset): RetrainTask[] {
  const { dims, values, weights } = coreset;
  return job.ranges.flatMap(({ partition, from, to }, range) => {
    if (partition >= 0) return [];
    const rows = {
      values: values.subarray(from * dims, to * dims),
      weights: weights.subarray(from, to),
    };
    return [{ type: 'rows', job: job.job, range, ...rows }] as const;
  });
}

const openFitThread: OpenFitSteps = (problem, onIteration) => new FitThread(problem, onIteration);

async function fitByTeam(
  options: RetrainOptions,
  log: JobLog,
  job: RetrainJob,
  plan: JobPlan,
): Promise<FitOutput> {
  const { broker, clock, logger, signal, onProgress } = options;
  const of = recordsIn(plan.ranges);
  let isFitting = false;
  const coordinator = new Coordinator({
    ...{ ...options.team!, broker, log, job, clock, logger, signal },
    onReplayed(records) {
      if (!isFitting) onProgress?.({ phase: 'replay', records: Math.min(records, of), of });
    },
  });
  const { openSteps = openFitThread } = options.team!;
  const steps = openSteps(plan.problem, (report) => {
    isFitting = true;
    onProgress?.({ phase: 'fit', runs: 1, ...report });
  });
  try {
    return await coordinator.run(steps);
  } finally {
    await steps.close?.();
  }
}

/** Publishes the version, and asks for its promotion where it is no worse; its coreset is kept before. */
async function release(
  options: RetrainOptions,
  follower: ModelFollower,
  plan: JobPlan,
  fit: FitOutput,
): Promise<Outcome> {
  const parent = decodeModel(plan.parent);
  const { ranges, base, createdAtMs, codeVersion, problem, requestedBy, reason } = plan;
  const version = await claimVersion({ ...options, follower, parent, k: fit.weights.length });
  const exactPoints = fit.rows - (base?.n ?? 0);
  const summaryPoints = base?.points ?? 0;
  const points = exactPoints + summaryPoints;
  const coreset = await keep(options, parent, plan, fit, points);
  const { artifacts } = options;
  const kept = artifacts && (await keepParent(artifacts, parent));
  const parameters = {
    scaling: problem.scaling ? 'standard' : 'none',
    ...(base !== undefined && { coreset: base.artifact }),
    ...(kept !== undefined && { parent: kept }),
    ...(coreset !== null && { summary: coreset }),
  };
  const { seed } = problem;
  const parts = { fit, parent, ranges, version, seed, createdAtMs, codeVersion, parameters };
  const { model, idsKept } = candidateOf(parts);
  const { inertia, iterations, initialInertia: parentInertia = inertia } = fit;
  const shadow = plan.promote && plan.gate;
  const promoted = plan.promote && !shadow && inertia <= parentInertia;
  const asked = { promote: promoted, shadow, requestedBy, reason };
  const published = async (): Promise<void> => {
    // A prune may have deleted what an older version of this parent named, before it saw this one.
    if (artifacts !== undefined) await keepParent(artifacts, parent);
  };
  await releaseVersion({ ...options, follower, model, published, ...asked });
  const exactShare = points === 0 ? 1 : exactPoints / points;
  const history = { exactPoints, summaryPoints, summaryRows: base?.n ?? 0, exactShare, coreset };
  const told = { inertia, parentInertia, iterations, idsKept, promoted, shadow };
  return { version, parent: parent.version, points, history, ranges, ...told };
}

async function keep(
  { artifacts, group }: RetrainOptions,
  parent: Model,
  { base, ranges }: JobPlan,
  { sample, weight, missing }: FitOutput,
  points: number,
): Promise<string | null> {
  if (artifacts === undefined || missing === 'partial') return null;
  const { dims, metric, features } = parent;
  const level = (base?.level ?? 0) + (sample.isExact ? 0 : 1);
  const seen = joinedRanges([...(base?.ranges ?? []), ...ranges]);
  const { n, values, weights } = sample;
  const coreset = { dims, n, values, weights, ranges: seen, points, weight, level };
  return keepCoreset(artifacts, group, {
    ...{ coreset, metric, features, lineage: lineageOf(parent), base: base?.artifact },
  });
}
