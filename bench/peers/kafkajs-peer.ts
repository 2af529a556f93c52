// The kafkajs peer of the pipeline bench: its consumer and its transactional producer as they come, a transaction for each
// batch the consumer gives, objects and JSON.stringify in between. The kernels are ours, so that it is the client that
// is measured. What it learns it keeps for itself, partition by partition.

import { readFileSync } from 'node:fs';
import { type EachBatchPayload, Kafka, logLevel, Partitioners } from 'kafkajs';
import {
  Assigner,
  chooseKernels,
  DeltaAccumulator,
  distanceBins,
  identityScaler,
  OnlineModel,
} from '../../clustering/index.ts';
import type { PeerOptions } from '../contenders.ts';

/** Its grouping takes time with the square of this; a batch must stay below a megabyte. */
const rowsPerSend = 1_000;

const options = JSON.parse(process.argv[2]!) as PeerOptions;
const { kernels } = chooseKernels();

/** The model of one partition. */
class Learner {
  readonly #online: OnlineModel;
  readonly #delta: DeltaAccumulator;
  #version = 0;
  #assigner: Assigner;

  constructor(partition: number) {
    const { k, dims, centroids } = options;
    const bytes = readFileSync(centroids);
    const reference = Float64Array.from(new Float32Array(bytes.buffer, bytes.byteOffset, k * dims));
    this.#online = OnlineModel.begin({
      ...{ k, dims, ...identityScaler(dims), reference, centroids: reference },
      weights: new Float64Array(k).fill(1),
      sumSquares: new Float64Array(k).fill(1),
      distanceHistogram: new Float64Array(k * distanceBins).fill(1),
    });
    this.#delta = new DeltaAccumulator(this.#online.basis, partition, kernels);
    this.#assigner = this.#newAssigner();
  }

  get version(): string {
    return `1.0.${this.#version}`;
  }

  assign(values: Float32Array, n: number): Assigner {
    this.#assigner.assign(values, n);
    return this.#assigner;
  }

  learn(values: Float32Array, offsets: Float64Array, n: number): void {
    const { labels, distances } = this.#assigner;
    this.#delta.add(values, new Float32Array(n).fill(1), labels, distances, offsets, n);
    this.#online.fold(this.#delta.take(), this.#version);
    this.#version += 1;
    this.#assigner = this.#newAssigner();
  }

  #newAssigner(): Assigner {
    return new Assigner({ ...this.#online.basis, ...this.#online.snapshot() }, kernels);
  }
}

const learners = new Map<number, Learner>();
const kafka = new Kafka({ brokers: [options.bootstrap], logLevel: logLevel.ERROR });
const producer = kafka.producer({
  ...{ transactionalId: options.application, idempotent: true, maxInFlightRequests: 1 },
  createPartitioner: Partitioners.DefaultPartitioner,
});
const consumer = kafka.consumer({ groupId: options.application });

await producer.connect();
await consumer.connect();
await consumer.subscribe({ topic: options.input, fromBeginning: true });
await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch });

async function eachBatch({ batch, resolveOffset, heartbeat }: EachBatchPayload): Promise<void> {
  const { topic, partition } = batch;
  const learner = learners.get(partition) ?? new Learner(partition);
  learners.set(partition, learner);
  const next = `${BigInt(batch.lastOffset()) + 1n}`;
  const transaction = await producer.transaction();
  try {
    const messages = answers(learner, batch);
    for (let from = 0; from < messages.length; from += rowsPerSend) {
      const some = messages.slice(from, from + rowsPerSend);
      await transaction.send({ topic: options.output, messages: some });
    }
    await transaction.sendOffsets({
      consumerGroupId: options.application,
      topics: [{ topic, partitions: [{ partition, offset: next }] }],
    });
    await transaction.commit();
  } catch (error) {
    await transaction.abort();
    throw error;
  }
  resolveOffset(batch.lastOffset());
  await heartbeat();
}

function answers(learner: Learner, { partition, messages }: EachBatchPayload['batch']) {
  const { dims, format } = options;
  const n = messages.length;
  const values = new Float32Array(n * dims);
  for (const [row, { value }] of messages.entries()) {
    const vector =
      format === 'json'
        ? (JSON.parse(value!.toString()) as { vector: number[] }).vector
        : Array.from({ length: dims }, (_, d) => value!.readFloatLE(4 * d));
    values.set(vector, row * dims);
  }
  const { labels, distances, margins, outlierScores } = learner.assign(values, n);
  const modelVersion = learner.version;
  const sent = messages.map(({ key, offset, timestamp }, row) => ({
    ...{ key, partition, timestamp },
    value: JSON.stringify({
      key: key!.toString(),
      clusterId: `c${labels[row]!}`,
      distance: distances[row]!,
      margin: margins[row]!,
      outlierScore: outlierScores[row]!,
      modelVersion,
      partition,
      offset: Number(offset),
      timestamp: Number(timestamp),
    }),
  }));
  const offsets = Float64Array.from(messages, ({ offset }) => Number(offset));
  learner.learn(values, offsets, n);
  return sent;
}

process.once('SIGTERM', () => process.exit(0));
