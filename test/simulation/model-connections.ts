// The requests of a writer, answered by the model: the adapter's own writer (broker/kafka/kafka-transactional-writer.ts) sends
// them over the simulated network and hears Kafka's error codes, as from a node. There is one node.

import type { TopicPartition } from '../../broker/index.ts';
import type { Calls } from '../../broker/kafka/kafkajs-internals.ts';
import { ReadRows } from '../../broker/kafka/read-rows.ts';
import {
  crcMatches,
  decodeRecords,
  readBatchHeader,
} from '../../broker/kafka/record-batch-decoder.ts';
import { layout } from '../../broker/kafka/record-batch-layout.ts';
import { WireReader, WireWriter } from '../../broker/kafka/wire-buffer.ts';
import type { RequestNode, WriterConnections } from '../../broker/kafka/writer-connections.ts';
import { assert, type Clock, RecordTooLargeError, RetriableError } from '../../support/index.ts';
import type { ModelCluster } from './model-cluster.ts';
import { FencedError, RefusalError } from './model-partition.ts';
import type { CallOptions } from './network.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import { ConcurrentError } from './transaction-coordinator.ts';

type Answers = { readonly [Name in keyof Calls]?: (args: Calls[Name]['args']) => Promise<unknown> };

const onlyNode = 0;
/** Kafka's codes for what the model refuses. */
const codes = {
  none: 0,
  unknownTopicOrPartition: 3,
  messageTooLarge: 10,
  outOfOrderSequence: 45,
  invalidProducerEpoch: 47,
  invalidTransactionState: 48,
  concurrentTransactions: 51,
} as const;

export class ModelConnections implements WriterConnections {
  readonly clock: Clock;
  closed = false;
  readonly #node: RequestNode;

  constructor(cluster: ModelCluster, process: SimulatedProcess) {
    this.clock = process.clock;
    this.#node = nodeOf(cluster, process);
  }

  async node(): Promise<RequestNode> {
    return this.#node;
  }

  async controller(): Promise<RequestNode> {
    return this.#node;
  }

  async coordinator(): Promise<RequestNode> {
    return this.#node;
  }

  async leaderOf(): Promise<number> {
    return onlyNode;
  }

  forgetLeaders(): void {}

  forgetCoordinator(): void {}
}

function nodeOf(cluster: ModelCluster, process: SimulatedProcess): RequestNode {
  const send = <T>(options: CallOptions, handle: () => T | Promise<T>): Promise<T> =>
    cluster.network.call(process, options, handle);
  const answers = answersOf(cluster, send);
  const call = (api: keyof Calls, args: never) => {
    const answer = answers[api] as ((args: never) => Promise<unknown>) | undefined;
    assert(answer !== undefined, `The model has no answer to ${api}.`);
    return answer(args);
  };
  const callRaw = async (
    _api: 'Produce',
    _version: number,
    body: readonly Buffer[],
    decode: (payload: Buffer) => unknown,
  ) => {
    // What is sent stays as it was when it is late, or comes twice.
    const batches = batchesIn(Buffer.concat(body));
    const what = `produce ${batches.map(nameOf).join(', ')}`;
    const results = await send({ what, mayDouble: true }, () =>
      Promise.all(batches.map((batch) => produce(cluster, batch))),
    );
    return decode(encodeResults(results));
  };
  return { call, callRaw } as unknown as RequestNode;
}

function answersOf(
  cluster: ModelCluster,
  send: <T>(options: CallOptions, handle: () => T | Promise<T>) => Promise<T>,
): Answers {
  const { transactions } = cluster;
  return {
    DescribeConfigs: ({ resources }) =>
      send({ what: 'describe configs' }, () => ({
        resources: resources.map(({ name }) => ({
          ...{ resourceName: name, errorCode: codes.none },
          configEntries: [
            { configName: 'max.message.bytes', configValue: bytesMaxOf(cluster, name) },
          ],
        })),
      })),
    InitProducerId: ({ transactionalId }) =>
      send({ what: `init ${transactionalId}` }, () => {
        let producer = { id: -1, epoch: -1 };
        const errorCode = codeOf(() => {
          producer = transactions.init(transactionalId!);
        });
        return { errorCode, producerId: String(producer.id), producerEpoch: producer.epoch };
      }),
    AddPartitionsToTxn: ({ topics, transactionalId, ...producer }) => {
      const partitions = topics.flatMap(({ topic, partitions: of }) =>
        of.map((partition) => ({ topic, partition })),
      );
      const what = `${transactionalId} add ${partitions.map(nameOf).join(', ')}`;
      return send({ what, mayDouble: true }, () => ({
        errors: partitions.map((at) => ({
          topic: at.topic,
          partitionErrors: [
            {
              partition: at.partition,
              errorCode: codeOf(() =>
                transactions.add(transactionalId, producerOf(producer), cluster.partition(at)),
              ),
            },
          ],
        })),
      }));
    },
    AddOffsetsToTxn: ({ groupId, transactionalId, ...producer }) =>
      send({ what: `${transactionalId} add offsets`, mayDouble: true }, () => ({
        errorCode: codeOf(() =>
          transactions.add(transactionalId, producerOf(producer), cluster.table(groupId)),
        ),
      })),
    TxnOffsetCommit: ({ groupId, topics, transactionalId, ...producer }) =>
      send({ what: `${transactionalId} offsets` }, () => {
        const offsets = topics.flatMap(({ topic, partitions }) =>
          partitions.map(({ partition, offset, metadata }) => ({
            ...{ topic, partition, offset: Number(offset), metadata: metadata ?? '' },
          })),
        );
        const errorCode = codeOf(() => cluster.table(groupId).add(producerOf(producer), offsets));
        return { topics: [{ partitions: [{ partition: 0, errorCode }] }] };
      }),
    EndTxn: ({ transactionResult, transactionalId, ...producer }) =>
      send({ what: `${transactionalId} end` }, () => ({
        errorCode: codeOf(() =>
          transactions.end(transactionalId, producerOf(producer), transactionResult),
        ),
      })),
  };
}

function bytesMaxOf(cluster: ModelCluster, topic: string): string {
  try {
    return String(cluster.partition({ topic, partition: 0 }).bytesMax);
  } catch {
    return '1048588';
  }
}

interface ProducedBatch extends TopicPartition {
  readonly batch: Buffer;
}

interface ProducedAt extends TopicPartition {
  readonly errorCode: number;
  readonly baseOffset: number;
}

async function produce(
  cluster: ModelCluster,
  { topic, partition, batch }: ProducedBatch,
): Promise<ProducedAt> {
  const header = readBatchHeader(batch, 0)!;
  assert(crcMatches(batch, header), 'A writer sent a batch with a wrong checksum.');
  const rows = new ReadRows(topic, partition);
  rows.bytes = batch;
  const { baseOffset, baseTimestamp, logAppendTime, recordCount, end } = header;
  const records = { bytes: batch, at: layout.records, end, left: recordCount };
  decodeRecords({ ...records, baseOffset, baseTimestamp, logAppendTime }, rows, recordCount, 0);
  const producer = { id: header.producerId, epoch: batch.readInt16BE(layout.producerEpoch) };
  const sequence = batch.readInt32BE(layout.baseSequence);
  try {
    const at = cluster.partition({ topic, partition });
    if (batch.length > at.bytesMax) throw new RecordTooLargeError(`A batch of ${batch.length}.`);
    const offset = await cluster.produce(at, rows, producer, sequence);
    return { topic, partition, errorCode: codes.none, baseOffset: offset };
  } catch (error) {
    const isOrder = error instanceof RefusalError;
    const errorCode = isOrder ? codes.outOfOrderSequence : refusalOf(error);
    return { topic, partition, errorCode, baseOffset: -1 };
  }
}

/** As broker/kafka/produce-request.ts writes it. */
function batchesIn(body: Buffer): ProducedBatch[] {
  const reader = new WireReader(body);
  reader.string();
  reader.int16();
  reader.int32();
  const topics = reader.array(() => {
    const topic = reader.string()!;
    return reader.array(() => {
      const partition = reader.int32();
      return { topic, partition, batch: reader.bytes()! };
    });
  });
  return topics.flat();
}

function encodeResults(results: readonly ProducedAt[]): Buffer {
  const writer = new WireWriter();
  writer.array(results, ({ topic, partition, errorCode, baseOffset }) => {
    writer.string(topic).array([partition], () => {
      writer.int32(partition).int16(errorCode).int64(baseOffset).int64(-1).int64(0);
    });
  });
  return writer.finish();
}

function producerOf({ producerId, producerEpoch }: { producerId: number; producerEpoch: number }) {
  return { id: producerId, epoch: producerEpoch };
}

function codeOf(act: () => void): number {
  try {
    act();
    return codes.none;
  } catch (error) {
    return refusalOf(error);
  }
}

/** @throws what is no answer of the model's. */
function refusalOf(error: unknown): number {
  if (error instanceof ConcurrentError) return codes.concurrentTransactions;
  if (error instanceof FencedError) return codes.invalidProducerEpoch;
  if (error instanceof RefusalError) return codes.invalidTransactionState;
  if (error instanceof RecordTooLargeError) return codes.messageTooLarge;
  if (error instanceof RetriableError) return codes.unknownTopicOrPartition;
  throw error;
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}
