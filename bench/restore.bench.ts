// A task's state is gone, and is restored from its changelog on a real Kafka: from the start of the runtime to the task
// running, with fencing, fetching, decoding, and RocksDB writes with the offset in each. Beside it the same changelog only
// read, by our reader, which is what Kafka and the codec allow, and restored by Kafka Streams into its RocksDB
// (bench/peers/kafka-streams, Restore.java: a process of its own, timed inside it from the start of the restore to its
// end, so without joining the group, which ours includes). Values of 1,000 bytes, keys of 16; every key once, so nothing is compacted away. `--n 1000000` is a state of 1 GB.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Broker } from '../broker/index.ts';
import { KafkaBroker } from '../broker/kafka/index.ts';
import { StreamRuntime } from '../runtime/index.ts';
import { changelogTopic, type RecordBatch, RecordBatchBuilder } from '../schemas/index.ts';
import { Metrics, Random, silentLogger, systemClock } from '../support/index.ts';
import { Topology } from '../topology/index.ts';
import type { Bench, BenchOptions, BenchRow } from './bench.ts';
import { kafkaStreamsArgs, kafkaStreamsMissing } from './contenders.ts';
import { withKafka } from './kafka.ts';
import { withTemporaryFolder } from './paths.ts';
import { inTurns, measured, rounded, type Sample } from './timing.ts';

const valueBytes = 1_000;
const keyBytes = 16;
const nDefault = 200_000;
const rowsPerAppend = 1_000;
/** Kafka Streams has a group of its own, and by its name and the store's the same changelog. */
const streamsApplication = 'bench';

export const restoreBench: Bench = {
  name: 'restore',
  question:
    'How fast is a lost state restored from its changelog, against Kafka Streams and against only reading it?',
  run: (options) =>
    withKafka((servers) => withTemporaryFolder((folder) => measure(servers, folder, options))),
};

interface Setup {
  readonly broker: Broker;
  readonly bootstrapServers: string;
  readonly folder: string;
  readonly application: string;
  readonly n: number;
}

async function measure(
  bootstrapServers: string,
  folder: string,
  { smoke, n: asked, say }: BenchOptions,
): Promise<BenchRow[]> {
  const n = asked ?? (smoke ? 5_000 : nDefault);
  const broker = new KafkaBroker({
    ...{ bootstrapServers, clientId: 'bench', clock: systemClock, logger: silentLogger },
  });
  await broker.connect();
  const application = `${streamsApplication}-restore-${process.pid}`;
  const setup: Setup = { broker, bootstrapServers, folder, application, n };
  const missing = smoke ? 'missing: not in a smoke run' : kafkaStreamsMissing();
  const input = `${application}-input`;
  const changelog = changelogTopic(application, 'state');
  const spec = { partitions: 1, replicationFactor: 1 };
  await broker.createTopics([
    { name: input, ...spec, configs: {} },
    { name: changelog, ...spec, configs: { 'cleanup.policy': 'compact' } },
  ]);
  try {
    say(`writing a changelog of ${n} records, ${Math.round((n * valueBytes) / 1e6)} MB`);
    await fill(setup, changelog);
    say('restoring it, only reading it, and Kafka Streams restoring it, in turns');
    const [ours, reader, streams] = await inTurns(smoke ? 1 : 3, [
      () => restore(setup, input),
      () => read(setup, changelog),
      ...(missing === undefined ? [() => restoreByStreams(setup, input)] : []),
    ]);
    const megabytes = (n * (valueBytes + keyBytes)) / 1e6;
    const row = (peer: string, theirs: Sample | undefined): BenchRow => ({
      ...{ case: 'restore into RocksDB', n, d: null, k: null, peer },
      ours: rounded(megabytes / ours!.seconds),
      theirs: theirs === undefined ? null : rounded(megabytes / theirs.seconds),
      unit: 'MB/s',
      ratio: theirs === undefined ? null : rounded(theirs.seconds / ours!.seconds),
      seconds: rounded(ours!.seconds),
      cpuOursPerGb: rounded((ours!.cpuSeconds / megabytes) * 1e3),
      cpuTheirsPerGb: theirs === undefined ? null : rounded((theirs.cpuSeconds / megabytes) * 1e3),
    });
    const peer = `Kafka Streams 4.3.1${missing === undefined ? '' : ` (${missing})`}`;
    return [row(peer, streams), row('our reader alone', reader)];
  } finally {
    await broker.deleteTopics([input, changelog]);
    await broker.close();
  }
}

async function fill({ broker, n }: Setup, topic: string): Promise<void> {
  const random = new Random(1);
  const value = new Uint8Array(valueBytes);
  const words = new Uint32Array(value.buffer);
  const writer = await broker.openWriter();
  const records = new RecordBatchBuilder(rowsPerAppend, rowsPerAppend * (valueBytes + keyBytes));
  for (let row = 0; row < n; ) {
    records.clear();
    for (; row < n && records.n < rowsPerAppend; row++) {
      for (let at = 0; at < words.length; at++) words[at] = random.uint32();
      records.append(Date.now(), keyOf(row), value);
    }
    await writer.append([{ topic, partition: 0, records }]);
  }
  await writer.close();
}

/** Not in the order in which a store keeps them. */
function keyOf(row: number): Uint8Array {
  return new TextEncoder().encode(String(Math.imul(row, 0x9e3779b1) >>> 0).padStart(keyBytes, '0'));
}

async function restore({ broker, folder, application, n }: Setup, input: string): Promise<Sample> {
  const stateDir = join(folder, 'state');
  await rm(stateDir, { recursive: true, force: true });
  const metrics = new Metrics();
  let failure: Error | undefined;
  const runtime = new StreamRuntime({
    ...{ broker, applicationId: application, instanceId: 'bench', stateDir, metrics },
    ...{ topology: keepsState(input), clock: systemClock, onFatal: (error) => (failure = error) },
  });
  const sample = await measured(async () => {
    await runtime.start();
    while (!runtime.status().ready) {
      if (failure !== undefined) throw failure;
      await systemClock.sleep(2);
    }
  });
  const { values } = await metrics.restoredRecords.get();
  await runtime.stop();
  if (values[0]?.value === n) return sample;
  throw new Error(`${values[0]?.value} records were restored where there are ${n}.`);
}

interface Told {
  readonly records: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

async function restoreByStreams(
  { bootstrapServers, folder, application, n }: Setup,
  input: string,
): Promise<Sample> {
  const state = join(folder, 'streams-state');
  await rm(state, { recursive: true, force: true });
  const store = `${application.slice(streamsApplication.length + 1)}-state`;
  const options = {
    ...{ bootstrap: bootstrapServers, application: streamsApplication, input, state, store },
  };
  const child = spawn('java', kafkaStreamsArgs('Restore', options));
  let [said, complaint] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`Kafka Streams ended with ${code}.\n${complaint.slice(-2_000)}`);
  const { records, ...sample } = JSON.parse(said) as Told;
  if (records === n) return sample;
  throw new Error(`Kafka Streams restored ${records} records where there are ${n}.`);
}

function keepsState(input: string): Topology {
  return new Topology()
    .source('input', { topic: input })
    .processor('keep', { from: ['input'], create: () => ({ process: () => {} }) })
    .store({ name: 'state', schemaVersion: 1 }, { usedBy: ['keep'] });
}

async function read({ broker, n }: Setup, topic: string): Promise<Sample> {
  let rows = 0;
  let bytes = 0;
  const sample = await measured(async () => {
    const [{ end } = { end: 0 }] = await broker.listOffsets(topic);
    const reader = broker.openReader({ topic, partition: 0 }, 0);
    while (reader.position < end) {
      const batch = await reader.read({ rowsMax: 4096, waitMsMax: 1000 });
      rows += batch.n;
      bytes += bytesOf(batch);
    }
    await reader.close();
  });
  if (rows === n && bytes === n * valueBytes) return sample;
  throw new Error(`${rows} records were read where there are ${n}.`);
}

function bytesOf({ n, valueStarts, valueEnds }: RecordBatch): number {
  let bytes = 0;
  for (let row = 0; row < n; row++) bytes += valueEnds[row]! - valueStarts[row]!;
  return bytes;
}
