// What a retrain is going to do, fixed before it begins: the range of each partition, the pieces that ranges are cut into, and the
// summary of what the log has forgotten. The same plan gives the same bits, whoever carries it out.

import type { Broker } from '../broker/index.ts';
import type { Coreset, RangeFitProblem } from '../clustering/index.ts';
import type { JobRange, Model } from '../schemas/index.ts';
import { InvalidSettingError, type Logger } from '../support/index.ts';
import type { StoredCoreset } from './coreset-archive.ts';
import { type PlannedRange, planRanges, recordsIn } from './replay.ts';

/** Of the plan of a job, what it brings with it of earlier ones. */
export interface SummaryBase extends Omit<Coreset, 'values' | 'weights' | 'dims'> {
  /** The artifact. */
  readonly artifact: string;
}

export interface RetrainPlan {
  readonly ranges: readonly PlannedRange[];
  /** In the order in which their answers are added up: the summary's rows first. */
  readonly pieces: readonly JobRange[];
  readonly problem: RangeFitProblem;
  readonly base: SummaryBase | undefined;
}

export interface PlanOptions {
  readonly broker: Broker;
  readonly group: string;
  readonly parent: Model;
  readonly k: number;
  readonly seed: number;
  readonly scaling: boolean;
  readonly logger: Logger;
  /** The newest summary, if the job is to begin with it. */
  readonly stored: StoredCoreset | undefined;
}

/** Log records of a piece: few are read for nothing when one moves, and many fit between two words of its worker. */
const pieceBytes = 64 * 1_048_576;
const pieceRecordsMin = 8_192;
const piecesAim = 64;
/** A piece is so many times as large as its answer in an iteration: what is sent is a small share of what is read. */
const answersPerPiece = 256;
/** Of the summary's rows, so that a piece is a record. */
const summaryPieceBytes = 4 * 1_048_576;

/** @throws InvalidSettingError when there is nothing to replay */
export async function planRetrain(options: PlanOptions): Promise<RetrainPlan> {
  const { broker, group, parent, k, seed, scaling, logger } = options;
  const planned = await planRanges(broker, group);
  sayUncommitted(options, planned);
  const stored = usable(options, planned);
  const ranges =
    stored === undefined ? planned : planned.map((range) => after(range, stored.coreset, logger));
  const plan = planOver(ranges, { parent, k, seed, scaling }, stored);
  if (plan.pieces.length > 0) return plan;
  throw new InvalidSettingError(
    'There is nothing to retrain from: the points topic has no processed records. Produce points first.',
  );
}

/** The plan over given ranges, and the summary that they go on from. */
export function planOver(
  ranges: readonly PlannedRange[],
  { parent, k, seed, scaling }: Pick<PlanOptions, 'parent' | 'k' | 'seed' | 'scaling'>,
  stored: StoredCoreset | undefined,
): RetrainPlan {
  const { dims, metric, missing } = parent;
  const base = stored && { ...described(stored.coreset), artifact: stored.artifact };
  const summary = base === undefined ? [] : cut(-1, 0, base.n, summaryRows(dims));
  const problem: RangeFitProblem = {
    ...{ dims, k, seed, metric, missing: missing as RangeFitProblem['missing'] },
    scaling: scaling && metric !== 'cosine',
    initial: parent.centroids,
  };
  return { ranges, pieces: [...summary, ...cutRanges(ranges, dims, k)], problem, base };
}

/** Pieces of one size, whatever the partitions hold: a hot partition is many of them. A function of the ranges alone. */
function cutRanges(ranges: readonly PlannedRange[], dims: number, k: number): JobRange[] {
  const bytes = Math.max(pieceBytes, answersPerPiece * k * (dims + 2) * 8);
  const largest = Math.max(pieceRecordsMin, Math.floor(bytes / (4 * dims)));
  const aimed = Math.ceil(recordsIn(ranges) / piecesAim);
  const size = Math.min(largest, Math.max(pieceRecordsMin, aimed));
  return ranges.flatMap(({ partition, from, to }) => cut(partition, from, to, size));
}

function cut(partition: number, from: number, to: number, size: number): JobRange[] {
  const count = Math.ceil((to - from) / size);
  return Array.from({ length: count }, (_, i) => ({
    partition,
    from: from + Math.floor(((to - from) * i) / count),
    to: from + Math.floor(((to - from) * (i + 1)) / count),
  }));
}

function summaryRows(dims: number): number {
  return Math.max(1, Math.floor(summaryPieceBytes / (4 * (dims + 1))));
}

function described({ n, ranges, points, weight, level }: Coreset): Omit<SummaryBase, 'artifact'> {
  return { n, ranges, points, weight, level };
}

/** A summary of points that are no points of this model, or of a log that was made anew, is left alone. */
function usable(
  { stored, parent, logger }: PlanOptions,
  ranges: readonly PlannedRange[],
): StoredCoreset | undefined {
  if (stored === undefined) return undefined;
  const { coreset, artifact, metric, features } = stored;
  const fits =
    coreset.dims === parent.dims &&
    metric === parent.metric &&
    features.join() === parent.features.join() &&
    coreset.ranges.every(({ partition, to }) =>
      ranges.some((range) => range.partition === partition && to <= range.to),
    );
  if (fits) return stored;
  logger.warn({ artifact }, 'the newest coreset is of other points than these; it is not used');
  return undefined;
}

/** What of a range is newer than the summary. */
function after(range: PlannedRange, base: Coreset, logger: Logger): PlannedRange {
  const ends = base.ranges.filter(({ partition }) => partition === range.partition);
  const end = Math.max(0, ...ends.map(({ to }) => to));
  if (end > 0 && range.from > end) {
    const { partition, from } = range;
    logger.warn({ partition, end, from }, 'records were deleted before any retrain had seen them');
  }
  return { ...range, from: Math.max(range.from, end) };
}

function sayUncommitted({ logger, group }: PlanOptions, ranges: readonly PlannedRange[]): void {
  const partitions = ranges.filter(({ committed }) => !committed).map(({ partition }) => partition);
  if (partitions.length === 0) return;
  logger.warn(
    { group, partitions },
    'the group has committed no position on these partitions of points; they are replayed to the end of the log',
  );
}
