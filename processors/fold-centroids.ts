// The owner of the model. Folds every delta, in the order of the log, into its online model, and publishes the result.
//
//   no model      collect samples ──► enough rows, or enough time and k distinct points ──► seed: version x.0.0
//   delta         one decay step each: PATCH counts them, so state and version are functions of the log alone
//   promote       a retrained candidate takes the place of the state; deltas of the generation before it are left out
//
// The whole state is in memory and, cluster by cluster, in the changelogged store; a restart goes on bit for bit.

import {
  bootstrapModel,
  chooseKernels,
  completePoints,
  countDistinct,
  distanceBins,
  type HalfLife,
  type LifecycleEvent,
  type OnlineModel,
} from '../clustering/index.ts';
import {
  type CentroidDelta,
  type ClusterEvent,
  decodeLearningMessage,
  decodeModelCommand,
  encodeClusterEvent,
  encodeModel,
  generationOf,
  type LearningMessage,
  type Metric,
  type MissingPolicy,
  type Model,
  type ModelCommand,
  modelKey,
  parseVersion,
  type RecordBatch,
  recordValue,
  topics,
} from '../schemas/index.ts';
import type { KeyValueStore, ModelRegistry } from '../state-stores/index.ts';
import { InvalidRecordError } from '../support/index.ts';
import { adoptedIds } from './adopted-ids.ts';
import { FoldState, type Generation } from './fold-state.ts';
import type { Processor, ProcessorContext } from './processor.ts';
import { modelOf } from './published-model.ts';
import { SampleBuffer } from './sample-buffer.ts';

export interface FoldCentroidsOptions {
  readonly k: number;
  /** 0: the first sample decides. */
  readonly dimensions: number;
  readonly scaling: boolean;
  /** Of the first model, like `missing`; a promoted one has its own. */
  readonly metric: Metric;
  readonly missing: MissingPolicy;
  readonly seed: number;
  /** Of generations that begin from now on; one that is there keeps its own. */
  readonly halfLife: HalfLife;
  readonly bootstrapRows: number;
  readonly bootstrapWaitMs: number;
  readonly codeVersion: string;
}

const bootstrapCheckMs = 200;
/** A command whose candidate never appears is given up after this many deliveries. */
const deliveriesMax = 100;

export class FoldCentroids implements Processor<RecordBatch> {
  readonly #options: FoldCentroidsOptions;
  #state!: FoldState;
  #samples!: SampleBuffer;
  #models!: ModelRegistry;
  #firstSampleAtMs = -1;
  #deliveries = 0;
  /** Rows at the last attempt to seed that found too few distinct points. */
  #triedRows = -1;
  #changed = false;

  constructor(options: FoldCentroidsOptions) {
    this.#options = options;
  }

  async open(context: ProcessorContext): Promise<void> {
    const store = context.store<KeyValueStore>('centroids');
    this.#models = context.store<ModelRegistry>('models');
    this.#state = await FoldState.load(store, this.#options.halfLife);
    this.#samples = await SampleBuffer.load(store);
    if (this.#state.online !== undefined) this.#compareHalfLife(this.#state.online, context);
    if (this.#state.generation !== undefined) return;
    const cancel = context.schedule(bootstrapCheckMs, 'wall-clock', (nowMs) => {
      if (this.#state.generation !== undefined) cancel();
      else this.#seedAfterWaiting(nowMs, context);
    });
  }

  #compareHalfLife({ halfLife }: OnlineModel, context: ProcessorContext): void {
    const next = this.#options.halfLife;
    if (halfLife.unit === next.unit && halfLife.value === next.value) return;
    const text = 'the generation keeps its half-life; model.half.life counts from the next retrain';
    context.logger.info({ halfLife, next }, text);
  }

  process(batch: RecordBatch, context: ProcessorContext): void {
    for (let row = 0; row < batch.n; row += 1) {
      const value = recordValue(batch, row);
      if (batch.topic === topics.modelCommands) {
        if (!this.#obey(value, context)) return;
        continue;
      }
      this.#learn(value, context);
      this.#state.deltaOffset = batch.offsets[row]! + 1;
      this.#changed = true;
      this.#seedWhenFull(context);
    }
  }

  flush(context: ProcessorContext): void {
    if (!this.#changed) return;
    this.#changed = false;
    this.#state.save();
    this.#samples.save();
    const model = this.#publishable(context);
    if (model !== undefined) publish(model, 'current', context);
  }

  #learn(value: Uint8Array | null, context: ProcessorContext): void {
    const message = decoded(value, context);
    if (message === undefined) return;
    if (message.kind === 'delta') this.#fold(message, context);
    else if (this.#state.generation === undefined) this.#samples.add(message, this.#options);
  }

  #fold(delta: CentroidDelta, context: ProcessorContext): void {
    const { generation, online } = this.#state;
    if (online === undefined || generationOf(delta.modelVersion) !== generation?.name) {
      context.metrics.deltasFolded.inc({ outcome: 'stale' });
      return;
    }
    if (!fits(delta, online)) {
      context.metrics.deltasFolded.inc({ outcome: 'invalid' });
      context.logger.error({ delta: delta.modelVersion }, 'a delta does not fit its model');
      return;
    }
    const events = online.fold(delta, parseVersion(delta.modelVersion).patch);
    this.#state.learned(delta);
    context.metrics.deltasFolded.inc({ outcome: 'folded' });
    for (const event of events) this.#report(event, delta.timestampMs, context);
  }

  /** A slot that is born anew gets an id nobody had before. */
  #report(event: LifecycleEvent, timestampMs: number, context: ProcessorContext): void {
    const { type, slot, other, weight, gain, cost, within } = event;
    const modelVersion = this.#state.version!;
    const otherId = this.#state.clusterIds[other]!;
    if (type === 'born' || type === 'split') this.#state.mint(slot);
    const clusterId = this.#state.clusterIds[slot]!;
    const details =
      type === 'moved'
        ? { weight, distance: gain, radius: cost }
        : { weight, gain, cost, otherId, ...(within !== undefined && { within }) };
    emit({ type, clusterId, modelVersion, timestampMs, details }, context);
  }

  #seedWhenFull(context: ProcessorContext): void {
    if (this.#state.generation !== undefined) return;
    if (this.#samples.rows >= this.#options.bootstrapRows) this.#seed(context);
  }

  #seedAfterWaiting(nowMs: number, context: ProcessorContext): void {
    if (this.#samples.rows === 0) return;
    if (this.#firstSampleAtMs < 0) this.#firstSampleAtMs = nowMs;
    if (nowMs - this.#firstSampleAtMs >= this.#options.bootstrapWaitMs) this.#seed(context);
  }

  #seed(context: ProcessorContext): void {
    const { k, seed, scaling, metric, missing } = this.#options;
    if (this.#samples.rows === this.#triedRows) return;
    const { values, weights, rows, dims, features } = this.#samples.merged();
    const points = { values, n: rows, dims, weights, metric, missing };
    const distinct = countDistinct(completePoints(points), rows, dims, k, weights);
    this.#triedRows = rows;
    if (distinct < k) {
      const text = `waiting for ${k} distinct points to seed ${k} clusters; ${distinct} so far`;
      context.logger.info({ rows, distinct, k }, text);
      return;
    }
    const { kernels } = chooseKernels();
    const start = bootstrapModel({ ...points, k, seed, scaling, kernels });
    const clusterIds = Array.from({ length: k }, (_, j) => `c${j + 1}`);
    const generation: Generation = {
      name: '1.0',
      parent: null,
      origin: 'bootstrap',
      seed,
      features,
      missing,
      featureMeans: start.featureMeans,
    };
    const membership = { clusterIds, nextClusterNumber: k + 1, offsets: {} };
    const { timestampMs } = this.#samples;
    this.#state.begin(generation, start, membership, { timestampMs });
    for (const sample of this.#samples.samples) this.#state.learned(sample);
    this.#samples.clear();
    this.#birth(context, this.#state.clusterIds, []);
    context.logger.info({ rows, k, dims }, 'the first model is seeded: version 1.0.0');
  }

  /** @returns false when the command has to be delivered again */
  #obey(value: Uint8Array | null, context: ProcessorContext): boolean {
    const command = commandIn(value, context);
    if (command === undefined || this.#refuses(command, context)) return true;
    const candidate = this.#models.get(command.version);
    if (candidate !== undefined) {
      this.#deliveries = 0;
      this.#promote(candidate, context);
      return true;
    }
    this.#deliveries += 1;
    if (this.#deliveries < deliveriesMax) {
      context.retryLater(`waiting for version ${command.version} to appear on ${topics.models}`);
      return false;
    }
    this.#deliveries = 0;
    const text = 'a promotion was given up: its version is not on the models topic; retrain again';
    context.logger.warn({ version: command.version }, text);
    return true;
  }

  /** A generation has one life: going back needs a version of its own. */
  #refuses({ version }: ModelCommand, context: ProcessorContext): boolean {
    const current = this.#state.generation?.name;
    if (current === undefined || compareGenerations(generationOf(version), current) > 0)
      return false;
    if (generationOf(version) !== current) {
      const text = 'a promotion was refused: the current generation is newer';
      context.logger.warn({ version, current: this.#state.version }, text);
    }
    return true;
  }

  #promote(candidate: Model, context: ProcessorContext): void {
    const before = this.#state.clusterIds.slice();
    const { parent, origin, seed, features, missing, featureMeans } = candidate;
    const name = generationOf(candidate.version);
    const membership = adoptedIds(candidate, this.#state);
    const generation = { name, parent, origin, seed, features, missing, featureMeans };
    this.#state.begin(generation, candidate, membership);
    this.#samples.clear();
    this.#birth(context, membership.clusterIds, before);
    context.logger.info({ version: candidate.version, parent }, 'a retrained model is current');
  }

  /** Publishes x.y.0 for good and says what became of each cluster. */
  #birth(context: ProcessorContext, now: readonly string[], before: readonly string[]): void {
    this.#changed = true;
    const model = this.#publishable(context)!;
    publish(model, model.version, context);
    const timestampMs = context.currentSystemTimeMs();
    const event = (type: ClusterEvent['type'], clusterId: string): void =>
      emit({ type, clusterId, modelVersion: model.version, timestampMs, details: {} }, context);
    for (const id of before) if (!now.includes(id)) event('died', id);
    for (const id of now) event(before.includes(id) ? 'remapped' : 'born', id);
  }

  #publishable(context: ProcessorContext): Model | undefined {
    if (this.#state.online === undefined) return undefined;
    const model = modelOf(this.#state, this.#options.codeVersion, context.currentSystemTimeMs());
    context.metrics.clustersActive.set(model.k);
    context.metrics.quantizationError.set(model.quality.meanSquaredDistance);
    return model;
  }
}

function publish(model: Model, name: string, context: ProcessorContext): void {
  const key = modelKey(name);
  context.output(topics.models).append(model.createdAtMs, key, encodeModel(model));
}

function emit(event: ClusterEvent, context: ProcessorContext): void {
  const key = new TextEncoder().encode(event.clusterId);
  const nowMs = context.currentSystemTimeMs();
  context.output(topics.clusterEvents).append(nowMs, key, encodeClusterEvent(event));
}

function fits(delta: CentroidDelta, { basis: { k, dims }, halfLife }: OnlineModel): boolean {
  const { clusters, sums, distanceHistogram, candidates, candidateWeights, landmarkMs } = delta;
  return (
    (halfLife.unit === 'ms' ? landmarkMs % halfLife.value === 0 : landmarkMs === -1) &&
    clusters.every((slot) => slot >= 0 && slot < k) &&
    sums.length === clusters.length * dims &&
    distanceHistogram.length === clusters.length * distanceBins &&
    candidates.length * 2 === candidateWeights.length * dims
  );
}

/** Only our own tasks write here: a message nobody can read is counted and said, and the stream goes on. */
function decoded(value: Uint8Array | null, context: ProcessorContext): LearningMessage | undefined {
  try {
    if (value !== null) return decodeLearningMessage(value);
  } catch (error) {
    if (!(error instanceof InvalidRecordError)) throw error;
    context.logger.error({ err: error }, 'a record of centroid-deltas cannot be read');
  }
  context.metrics.deltasFolded.inc({ outcome: 'invalid' });
  return undefined;
}

function commandIn(value: Uint8Array | null, context: ProcessorContext): ModelCommand | undefined {
  try {
    if (value !== null) return decodeModelCommand(value);
  } catch (error) {
    if (!(error instanceof InvalidRecordError)) throw error;
    context.logger.warn({ err: error }, 'a model command cannot be read; it was left out');
  }
  return undefined;
}

function compareGenerations(a: string, b: string): number {
  const [x, y] = [parseVersion(`${a}.0`), parseVersion(`${b}.0`)];
  return x.major - y.major || x.minor - y.minor;
}
