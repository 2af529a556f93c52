// Gives every point its cluster, and adds the points up for whoever learns.
//
// A transaction has one model version: the one that was current at the first batch after a commit. `flush` sends what the points
// of the transaction add up to, a delta for the fold and a summary for the drift detectors, with the offset range it covers.
// Before the first model the points stay in the log: they are sent as a sample once, and delivered again later. So are those that
// come while the owner of the model has left a delta of this task unanswered for too long.

import {
  Assigner,
  chooseKernels,
  completePoints,
  countDistinct,
  DeltaAccumulator,
  QualityAccumulator,
} from '../clustering/index.ts';
import {
  AssignmentEncoder,
  type BootstrapSample,
  type CentroidDelta,
  encodeLearningMessage,
  encodeQuality,
  encodeShadowSummary,
  type LearningMessage,
  type Metric,
  type MissingPolicy,
  type Model,
  type PointBatch,
  topics,
} from '../schemas/index.ts';
import type { ModelRegistry } from '../state-stores/index.ts';
import { assert } from '../support/index.ts';
import { PointSampler } from './point-sampler.ts';
import type { Processor, ProcessorContext } from './processor.ts';
import { ShadowScorer } from './shadow-scorer.ts';
import { UnansweredDeltas } from './unanswered-deltas.ts';

export interface AssignPointsOptions {
  /** Clusters of the first model: what it takes that many distinct points for. */
  readonly k: number;
  readonly metric: Metric;
  readonly missing: MissingPolicy;
  /** How far a timestamp may be ahead of this machine's clock before it counts as that far. */
  readonly timestampSkewMsMax: number;
  /** Every so many offsets a point is also scored by the shadow, when there is one. */
  readonly shadowEvery: number;
  /** Every so many offsets one point goes to `samples`; undefined: none. */
  readonly sampleEvery?: number | undefined;
  /** No point is assigned while the oldest delta of this task that no model has taken in is older; undefined: never mind. */
  readonly stalenessMsMax?: number | undefined;
}

/** One transaction's work against one model version. */
interface Work {
  readonly model: Model;
  readonly assigner: Assigner;
  readonly encoder: AssignmentEncoder;
  readonly delta: DeltaAccumulator;
  readonly quality: QualityAccumulator;
}

type About = Pick<CentroidDelta, 'modelVersion' | 'partition' | 'fromOffset' | 'nextOffset'>;

const shard = new TextEncoder().encode('default/0');
/** Well below what a log takes as one record. */
const sampleBytesMax = 524_288;
/** How exactly staleness is known. */
const stalenessCheckMsMax = 1_000;

export class AssignPoints implements Processor<PointBatch> {
  #models!: ModelRegistry;
  #work: Work | undefined;
  /** The range since the last flush; empty when fromOffset is −1. */
  #fromOffset = -1;
  #nextOffset = -1;
  #inTransaction = false;
  #sampledTo = -1;
  #shadow: ShadowScorer | undefined;
  readonly #unanswered = new UnansweredDeltas();
  readonly #options: AssignPointsOptions;
  readonly #sampler: PointSampler | undefined;

  constructor(options: AssignPointsOptions) {
    this.#options = options;
    const { sampleEvery } = options;
    this.#sampler = sampleEvery === undefined ? undefined : new PointSampler(sampleEvery);
  }

  open(context: ProcessorContext): void {
    this.#models = context.store<ModelRegistry>('models');
    const { stalenessMsMax = Infinity } = this.#options;
    const everyMs = Math.max(1, Math.min(stalenessCheckMsMax, Math.floor(stalenessMsMax / 10)));
    this.#unanswered.tick(context.currentSystemTimeMs());
    context.schedule(everyMs, 'wall-clock', (nowMs) => {
      this.#unanswered.tick(nowMs);
      const task = context.taskId;
      context.metrics.modelStaleness.set({ task }, this.#stalenessMs() / 1_000);
    });
  }

  process(batch: PointBatch, context: ProcessorContext): void {
    const { stalenessMsMax } = this.#options;
    if (stalenessMsMax !== undefined && this.#stalenessMs() > stalenessMsMax) {
      context.retryLater(
        `waiting for the owner of the model: for more than ${stalenessMsMax} ms (model.staleness.max.ms) it has not taken in what this task has learned`,
      );
      return;
    }
    const work = this.#workOf(context);
    if (work !== undefined) this.#assign(work, batch, context);
    else if (batch.n > 0) this.#wait(batch, context);
  }

  flush(context: ProcessorContext): void {
    this.#inTransaction = false;
    const work = this.#work;
    if (work === undefined || this.#fromOffset < 0) return;
    const about = this.#about(work, context.partition);
    const statistics = work.quality.take();
    this.#fromOffset = -1;
    if (statistics.count === 0) return;
    context.metrics.pointsTooLate.inc(work.delta.tooLate);
    send({ kind: 'delta', ...about, ...work.delta.take() }, context);
    this.#unanswered.sent(about, this.#models);
    const summary = encodeQuality({ ...about, ...statistics });
    context.output(topics.quality).append(context.currentSystemTimeMs(), shard, summary);
    this.#sendSample(context);
    this.#sendShadow(about, context);
    const latencyMs = context.currentSystemTimeMs() - about.timestampMs;
    if (latencyMs >= 0) context.metrics.endToEndLatency.observe(latencyMs / 1000);
  }

  #stalenessMs(): number {
    return this.#unanswered.ageMs(this.#models);
  }

  #sendSample(context: ProcessorContext): void {
    const sample = this.#sampler?.take(context.partition);
    if (sample === undefined) return;
    const nowMs = context.currentSystemTimeMs();
    context.output(topics.samples).append(nowMs, shard, encodeLearningMessage(sample));
  }

  #sendShadow(about: About, context: ProcessorContext): void {
    const statistics = this.#shadow?.take();
    if (statistics === undefined || statistics.count === 0) return;
    const { decision, shadow } = this.#shadow!;
    const { modelVersion: championVersion, partition, fromOffset, nextOffset } = about;
    const of = { decision, shadowVersion: shadow.version, championVersion };
    const summary = encodeShadowSummary({
      ...of,
      partition,
      fromOffset,
      nextOffset,
      ...statistics,
    });
    context.output(topics.shadowQuality).append(context.currentSystemTimeMs(), shard, summary);
  }

  #assign(work: Work, batch: PointBatch, context: ProcessorContext): void {
    const { assigner, encoder } = work;
    const startedMs = context.currentSystemTimeMs();
    assert(batch.n === 0 || batch.dims === assigner.dims, 'points and model have the same shape');
    assigner.assign(batch.values, batch.n);
    encoder.encode(batch, assigner, context.output(topics.assignments));
    this.#learn(work, batch);
    context.metrics.pointsAssigned.inc(batch.n);
    context.metrics.assignDuration.observe((context.currentSystemTimeMs() - startedMs) / 1000);
  }

  #learn({ model, assigner, delta, quality }: Work, batch: PointBatch): void {
    const { weights, offsets, timestamps, n } = batch;
    const { points, labels, euclidean, partial } = assigner;
    delta.add(points, weights, labels, euclidean, offsets, n, timestamps, partial);
    quality.add(assigner, weights, offsets, n);
    this.#sampler?.add(batch);
    this.#shadow?.add(batch, model);
    if (this.#fromOffset < 0) this.#fromOffset = batch.fromOffset;
    this.#nextOffset = batch.nextOffset;
  }

  /** A newer model is taken only between transactions. Undefined while there is none. */
  #workOf(context: ProcessorContext): Work | undefined {
    if (this.#inTransaction) return this.#work;
    const model = this.#models.current();
    if (model === undefined) return undefined;
    this.#inTransaction = true;
    this.#shadow = this.#shadowNow();
    if (this.#work?.model !== model) this.#work = this.#workAgainst(model, context.partition);
    this.#work.delta.capTimestamps(this.#timestampMsMax(context));
    return this.#work;
  }

  /** Like the model, the version beside it is another only between transactions. */
  #shadowNow(): ShadowScorer | undefined {
    const { version, number } = this.#models.alias('shadow');
    if (version === null) return undefined;
    if (this.#shadow?.decision === number) return this.#shadow;
    const shadow = this.#models.get(version);
    if (shadow === undefined) return undefined;
    const { kernels } = chooseKernels();
    return new ShadowScorer(shadow, number, this.#options.shadowEvery, kernels);
  }

  #workAgainst(model: Model, partition: number): Work {
    const { kernels } = chooseKernels();
    const before = this.#work;
    return {
      model,
      assigner: new Assigner(model, kernels, before?.assigner),
      encoder: new AssignmentEncoder(model),
      delta: new DeltaAccumulator(model, partition, kernels),
      quality: new QualityAccumulator(model, kernels, before?.quality),
    };
  }

  /** A clock that is ahead must not age all that other points have taught. */
  #timestampMsMax(context: ProcessorContext): number {
    return context.currentSystemTimeMs() + this.#options.timestampSkewMsMax;
  }

  #about({ model, delta }: Work, partition: number) {
    return {
      modelVersion: model.version,
      partition,
      fromOffset: this.#fromOffset,
      nextOffset: this.#nextOffset,
      timestampMs: delta.timestampMs,
    };
  }

  /** Leaves the points in the log, and says what the first model waits for. */
  #wait(batch: PointBatch, context: ProcessorContext): void {
    this.#sample(batch, context);
    const { n, dims, weights, records } = batch;
    const { k, metric, missing } = this.#options;
    const points = completePoints({ values: batch.values, n, dims, weights, metric, missing });
    const distinct = countDistinct(points, n, dims, k, weights);
    if (distinct >= k) {
      context.retryLater('waiting for the first model');
      return;
    }
    const others = records.n > n ? ` (${records.n - n} of ${records.n} records are of no use)` : '';
    context.retryLater(
      `waiting for ${k} distinct points to seed ${k} clusters; ${distinct} so far${others}`,
    );
  }

  /** Sends the rows that were not sampled yet; a batch that comes again may have more behind it. */
  #sample(batch: PointBatch, context: ProcessorContext): void {
    const rowsMax = Math.max(1, Math.floor(sampleBytesMax / (4 * batch.dims + 4)));
    let from = 0;
    while (from < batch.n && batch.offsets[from]! < this.#sampledTo) from += 1;
    for (; from < batch.n; from += rowsMax) {
      const to = Math.min(from + rowsMax, batch.n);
      send(sampleOf(batch, from, to, this.#timestampMsMax(context)), context);
    }
    this.#sampledTo = Math.max(this.#sampledTo, batch.nextOffset);
  }
}

function sampleOf(
  batch: PointBatch,
  from: number,
  to: number,
  timestampMsMax: number,
): BootstrapSample {
  const { partition, dims, n, features, offsets, timestamps, nextOffset } = batch;
  return {
    kind: 'sample',
    partition,
    fromOffset: offsets[from]!,
    nextOffset: to < n ? offsets[to]! : nextOffset,
    timestampMs: Math.min(
      timestampMsMax,
      timestamps.subarray(from, to).reduce((a, b) => Math.max(a, b), -1),
    ),
    dims,
    features,
    values: batch.values.slice(from * dims, to * dims),
    weights: batch.weights.slice(from, to),
  };
}

/** Dated by when it is sent: the log judges the date of a record, and event times come from outside. */
function send(message: LearningMessage, context: ProcessorContext): void {
  const output = context.output(topics.centroidDeltas);
  output.append(context.currentSystemTimeMs(), shard, encodeLearningMessage(message));
}
