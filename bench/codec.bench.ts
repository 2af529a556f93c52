// Our record codec on a real Kafka against kafkajs as it comes: the same 144-byte values into four partitions and out
// of them again, from and to what each library works with (columns here, one object per record there).
//
// Both start from a list of values in memory and end when every record is acknowledged by all replicas, or has been
// looked at. Ours is an idempotent producer, theirs by its default is not. kafkajs sends as many records at once, and as
// many sends at once, as suited it best; its consumer is timed from the moment it has joined its group.

import { type EachBatchPayload, Kafka, logLevel, Partitioners } from 'kafkajs';
import type { Broker, TopicPartition, Writer } from '../broker/index.ts';
import { KafkaBroker } from '../broker/kafka/index.ts';
import { type RecordBatch, RecordBatchBuilder } from '../schemas/index.ts';
import { Random, silentLogger, systemClock } from '../support/index.ts';
import type { Bench, BenchOptions, BenchRow } from './bench.ts';
import { withKafka } from './kafka.ts';
import { measured, type PairedSamples, paired, rounded, type Sample } from './timing.ts';

const partitions = 4;
const valueBytes = 144;
const nDefault = 500_000;
const ourRowsPerAppend = 6_000;
const theirRowsPerSend = 1_000;
const theirSendsInFlight = 4;
const peer = 'kafkajs 2.2.4';

export const codecBench: Bench = {
  name: 'codec',
  question: 'How fast do records go into and out of Kafka, against kafkajs as it comes?',
  run: (options) => withKafka((bootstrapServers) => measureCodec(bootstrapServers, options)),
};

interface Setup {
  readonly broker: Broker;
  readonly kafka: Kafka;
  readonly values: readonly Buffer[];
  readonly topics: string[];
}

async function measureCodec(bootstrapServers: string, options: BenchOptions): Promise<BenchRow[]> {
  const { smoke, say } = options;
  const n = options.n ?? (smoke ? 2_000 : nDefault);
  const rounds = smoke ? 1 : 3;
  const broker = new KafkaBroker({
    ...{ bootstrapServers, clientId: 'bench', clock: systemClock, logger: silentLogger },
  });
  await broker.connect();
  const setup: Setup = {
    broker,
    kafka: new Kafka({ brokers: [bootstrapServers], logLevel: logLevel.NOTHING }),
    values: someValues(n),
    topics: [],
  };
  try {
    say(`producing ${n} records, ours and theirs, ${rounds + 1} rounds`);
    const produced = await paired(
      rounds,
      () => ourProduce(setup),
      () => theirProduce(setup),
    );
    const [topic] = setup.topics;
    say(`consuming ${n} records, ours and theirs, ${rounds + 1} rounds`);
    const consumed = await paired(
      rounds,
      () => ourConsume(setup, topic!),
      () => theirConsume(setup, topic!),
    );
    return [rowOf('produce', n, produced), rowOf('consume', n, consumed)];
  } finally {
    await broker.deleteTopics(setup.topics);
    await broker.close();
  }
}

function someValues(n: number): Buffer[] {
  const random = new Random(1);
  const bytes = Buffer.alloc(n * valueBytes);
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(random.uint32(), at);
  return Array.from({ length: n }, (_, i) => bytes.subarray(i * valueBytes, (i + 1) * valueBytes));
}

async function newTopic({ broker, topics }: Setup): Promise<string> {
  const name = `bench-codec-${process.pid}-${topics.length}`;
  await broker.createTopics([{ name, partitions, replicationFactor: 1, configs: {} }]);
  topics.push(name);
  return name;
}

/** A writer a partition, as tasks have. */
async function ourProduce(setup: Setup): Promise<Sample> {
  const topic = await newTopic(setup);
  const { broker, values } = setup;
  const writers = await Promise.all(Array.from({ length: partitions }, () => broker.openWriter()));
  const sample = await measured(async () => {
    await Promise.all(
      writers.map((writer, partition) => writePartition(writer, { topic, partition }, values)),
    );
  });
  await Promise.all(writers.map((writer) => writer.close()));
  return sample;
}

async function writePartition(
  writer: Writer,
  { topic, partition }: TopicPartition,
  values: readonly Buffer[],
): Promise<void> {
  const records = new RecordBatchBuilder(ourRowsPerAppend, ourRowsPerAppend * valueBytes);
  const now = Date.now();
  for (let i = partition; i < values.length; ) {
    records.clear();
    for (; i < values.length && records.n < ourRowsPerAppend; i += partitions) {
      records.append(now, null, values[i]!);
    }
    await writer.append([{ topic, partition, records }]);
  }
}

async function theirProduce(setup: Setup): Promise<Sample> {
  const topic = await newTopic(setup);
  const { kafka, values } = setup;
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  let next = 0;
  const send = async () => {
    while (next < values.length) {
      const from = next;
      next += theirRowsPerSend;
      const some = values.slice(from, next);
      const messages = some.map((value, i) => ({ value, partition: (from + i) % partitions }));
      await producer.send({ topic, messages });
    }
  };
  const sample = await measured(async () => {
    await Promise.all(Array.from({ length: theirSendsInFlight }, send));
  });
  await producer.disconnect();
  return sample;
}

async function ourConsume({ broker, values }: Setup, topic: string): Promise<Sample> {
  let bytes = 0;
  const ends = await broker.listOffsets(topic);
  const sample = await measured(async () => {
    const drained = ends.map(async ({ partition, end }) => {
      const reader = broker.openReader({ topic, partition }, 0);
      while (reader.position < end) {
        const batch = await reader.read({ rowsMax: 4096, waitMsMax: 1000 });
        bytes += valueBytesOf(batch);
      }
      await reader.close();
    });
    await Promise.all(drained);
  });
  checkBytes(bytes, values.length);
  return sample;
}

function valueBytesOf({ n, valueStarts, valueEnds }: RecordBatch): number {
  let bytes = 0;
  for (let row = 0; row < n; row++) bytes += valueEnds[row]! - valueStarts[row]!;
  return bytes;
}

async function theirConsume({ kafka, values }: Setup, topic: string): Promise<Sample> {
  const groupId = `bench-${process.pid}-${process.hrtime.bigint()}`;
  const consumer = kafka.consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const joined = new Promise<void>((resolve) => {
    consumer.on(consumer.events.GROUP_JOIN, () => resolve());
  });
  let bytes = 0;
  const drained = new Promise<void>((resolve, reject) => {
    const eachBatch = async ({ batch }: EachBatchPayload) => {
      for (const { value } of batch.messages) bytes += value!.length;
      if (bytes >= values.length * valueBytes) resolve();
    };
    consumer.run({ eachBatch }).catch(reject);
  });
  await joined;
  const sample = await measured(() => drained);
  await consumer.disconnect();
  checkBytes(bytes, values.length);
  return sample;
}

function checkBytes(bytes: number, n: number): void {
  if (bytes === n * valueBytes) return;
  throw new Error(`Read ${bytes} bytes of values where ${n * valueBytes} were written.`);
}

function rowOf(name: string, n: number, { ours, theirs }: PairedSamples): BenchRow {
  return {
    ...{
      case: `${name}, ${valueBytes}-byte values, ${partitions} partitions`,
      n,
      d: null,
      k: null,
    },
    peer,
    ours: rounded(n / ours.seconds),
    theirs: rounded(n / theirs.seconds),
    unit: 'records/s',
    ratio: rounded(theirs.seconds / ours.seconds),
    cpuOurs: rounded((ours.cpuSeconds / n) * 1e6),
    cpuTheirs: rounded((theirs.cpuSeconds / n) * 1e6),
    cpuRatio: rounded(theirs.cpuSeconds / ours.cpuSeconds),
  };
}
