// The models topic as a table, and how models and clusters are written as JSON.

import type { Broker } from '../../broker/index.ts';
import { memoryOf } from '../../clustering/index.ts';
import { type Model, topics } from '../../schemas/index.ts';
import { ModelRegistry } from '../../state-stores/index.ts';
import type { Clock, Logger } from '../../support/index.ts';
import { TopicTail } from './topic-tail.ts';

export interface ModelsViewOptions {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly logger: Logger;
}

const rowsMax = 200;

export class ModelsView {
  readonly registry: ModelRegistry;
  readonly #tail: TopicTail;

  constructor({ broker, clock, logger }: ModelsViewOptions) {
    this.registry = new ModelRegistry({ logger });
    this.#tail = new TopicTail({
      broker,
      topic: topics.models,
      from: 'start',
      rowsMax,
      onBatch: (batch) => this.registry.apply(batch),
      clock,
      logger,
    });
  }

  start(): Promise<void> {
    return this.#tail.start();
  }

  get isCaughtUp(): boolean {
    return this.#tail.isCaughtUp;
  }

  current(): Model | undefined {
    return this.registry.current();
  }

  /** By version, or by alias ("champion", "current"). */
  get(name: string): Model | undefined {
    return this.registry.find(name);
  }

  stop(): Promise<void> {
    return this.#tail.stop();
  }
}

/** A model as the API describes it. */
export function modelSummary(model: Model, aliases: readonly string[]): Record<string, unknown> {
  const { version, parent, createdAtMs, origin, k, dims, metric, missing } = model;
  const { offsets, quality } = model;
  const createdAt = new Date(createdAtMs).toISOString();
  return {
    ...{ version, parent, createdAt, origin, k, dimensions: dims, metric, missing },
    ...{ offsets, quality, aliases },
  };
}

/** The same with what is needed to understand its numbers. */
export function modelDetail(model: Model, aliases: readonly string[]): Record<string, unknown> {
  return {
    ...modelSummary(model, aliases),
    features: model.features,
    seed: model.seed,
    halfLife: { ...model.halfLife, memory: memoryOf(model.halfLife) },
    codeVersion: model.codeVersion,
    parameters: model.parameters ?? {},
    lineage: model.lineage ?? [],
    deltaOffset: model.deltaOffset,
    scaler: { mean: [...model.mean], scale: [...model.scale] },
    featureMeans: [...model.featureMeans],
    clusterIds: model.clusterIds,
  };
}

export interface ClusterSummary {
  readonly clusterId: string;
  /** Input units. */
  readonly centroid: readonly number[];
  readonly weight: number;
  /** Of the total weight, 0…1. */
  readonly share: number;
  /** Root mean squared distance of its recent points, in the model's space; with cosine the mean of 1 − cos. */
  readonly radius: number;
}

/** In the model's order. */
export function clustersOf(model: Model): ClusterSummary[] {
  const total = model.weights.reduce((sum, weight) => sum + weight, 0);
  return model.clusterIds.map((clusterId, i) => {
    const weight = model.weights[i]!;
    const square = weight > 0 ? Math.max(0, model.sumSquares[i]! / weight) : 0;
    return {
      clusterId,
      centroid: [...model.centroids.subarray(i * model.dims, (i + 1) * model.dims)],
      weight,
      share: total > 0 ? weight / total : 0,
      radius: model.metric === 'cosine' ? square / 2 : Math.sqrt(square),
    };
  });
}
