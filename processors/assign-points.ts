// Gives every point its cluster, and adds the points up for whoever learns.
//
// A transaction has one model version: the one that was current at the first batch after a commit. `flush` sends what the points
// of the transaction add up to, a delta for the fold and a summary for the drift detectors, with the offset range it covers.
// Before the first model the points stay in the log: they are sent as a sample once, and delivered again later.

import {
  Assigner,
  chooseKernels,
  DeltaAccumulator,
  QualityAccumulator,
} from '../clustering/index.ts';
import {
  AssignmentEncoder,
  type BootstrapSample,
  encodeLearningMessage,
  encodeQuality,
  type LearningMessage,
  type Model,
  type PointBatch,
  topics,
} from '../schemas/index.ts';
import type { ModelRegistry } from '../state-stores/index.ts';
import type { Processor, ProcessorContext } from './processor.ts';

/** One transaction's work against one model version. */
interface Work {
  readonly model: Model;
  readonly assigner: Assigner;
  readonly encoder: AssignmentEncoder;
  readonly delta: DeltaAccumulator;
  readonly quality: QualityAccumulator;
}

const shard = new TextEncoder().encode('default/0');

export class AssignPoints implements Processor<PointBatch> {
  #models!: ModelRegistry;
  #work: Work | undefined;
  /** The range since the last flush, and its newest event time; empty when fromOffset is −1. */
  #fromOffset = -1;
  #nextOffset = -1;
  #timestampMs = -1;
  #inTransaction = false;
  #sampledTo = -1;

  open(context: ProcessorContext): void {
    this.#models = context.store<ModelRegistry>('models');
  }

  process(batch: PointBatch, context: ProcessorContext): void {
    const model = this.#models.current();
    if (model === undefined) {
      this.#sample(batch, context);
      context.retryLater('waiting for the first model');
      return;
    }
    const work = this.#workWith(model, context);
    const { assigner } = work;
    assigner.assign(batch.values, batch.n);
    work.encoder.encode(batch, assigner, context.output(topics.assignments));
    this.#learn(work, batch);
    context.metrics.pointsAssigned.inc(batch.n);
  }

  flush(context: ProcessorContext): void {
    this.#inTransaction = false;
    const work = this.#work;
    if (work === undefined || this.#fromOffset < 0) return;
    const about = this.#about(work.model, context.partition);
    const statistics = work.quality.take();
    this.#fromOffset = -1;
    this.#timestampMs = -1;
    if (statistics.count === 0) return;
    send({ kind: 'delta', ...about, ...work.delta.take() }, context);
    const summary = encodeQuality({ ...about, ...statistics });
    context.output(topics.quality).append(about.timestampMs, shard, summary);
  }

  #learn({ assigner, delta, quality }: Work, batch: PointBatch): void {
    const { values, weights, offsets, timestamps, n } = batch;
    delta.add(values, weights, assigner.labels, assigner.distances, offsets, n);
    quality.add(assigner, values, weights, offsets, n);
    if (this.#fromOffset < 0) this.#fromOffset = batch.fromOffset;
    this.#nextOffset = batch.nextOffset;
    for (let row = 0; row < n; row += 1) {
      if (timestamps[row]! > this.#timestampMs) this.#timestampMs = timestamps[row]!;
    }
  }

  /** A newer model is taken only between transactions. */
  #workWith(model: Model, context: ProcessorContext): Work {
    const held = this.#work;
    const keep = held !== undefined && (this.#inTransaction || held.model === model);
    this.#inTransaction = true;
    if (keep) return held;
    const { kernels } = chooseKernels();
    this.#work = {
      model,
      assigner: new Assigner(model, kernels),
      encoder: new AssignmentEncoder(model),
      delta: new DeltaAccumulator(model, context.partition),
      quality: new QualityAccumulator(model, kernels),
    };
    return this.#work;
  }

  #about(model: Model, partition: number) {
    return {
      modelVersion: model.version,
      partition,
      fromOffset: this.#fromOffset,
      nextOffset: this.#nextOffset,
      timestampMs: this.#timestampMs,
    };
  }

  /** Sends the rows that were not sampled yet; a batch that comes again has more behind it. */
  #sample(batch: PointBatch, context: ProcessorContext): void {
    let from = 0;
    while (from < batch.n && batch.offsets[from]! < this.#sampledTo) from += 1;
    if (from === batch.n) return;
    const { partition, dims, n, features, nextOffset, timestamps } = batch;
    const sample: BootstrapSample = {
      kind: 'sample',
      partition,
      fromOffset: batch.offsets[from]!,
      nextOffset,
      timestampMs: timestamps.subarray(from, n).reduce((a, b) => Math.max(a, b), -1),
      dims,
      features,
      values: batch.values.slice(from * dims, n * dims),
      weights: batch.weights.slice(from, n),
    };
    this.#sampledTo = nextOffset;
    send(sample, context);
  }
}

function send(message: LearningMessage, context: ProcessorContext): void {
  const output = context.output(topics.centroidDeltas);
  output.append(message.timestampMs, shard, encodeLearningMessage(message));
}
