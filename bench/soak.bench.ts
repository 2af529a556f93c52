// `meanstream processor` under a steady stream on a real Kafka, for minutes: does its memory stay where it is? The process
// is the built one; its own /metrics says what it holds. The slope is a straight line through the samples after the warm-up,
// in percent of their mean an hour, with its standard error (taken as if samples were independent, so rather too small).
// Memory that is taken once and kept counts as warm-up: RocksDB's write buffers and caches, the allocator's arenas, compiled
// code. At the end every point must have come out once.
//
//   npm run bench -- soak --minutes 20 --rate 5000

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Broker } from '../broker/index.ts';
import { KafkaBroker } from '../broker/kafka/index.ts';
import { RecordBatchBuilder, topics } from '../schemas/index.ts';
import { silentLogger, systemClock } from '../support/index.ts';
import type { Bench, BenchOptions, BenchRow } from './bench.ts';
import { withKafka } from './kafka.ts';
import { packageRoot, withTemporaryFolder } from './paths.ts';
import { pointSet } from './points.ts';
import { rounded } from './timing.ts';

const dims = 32;
const k = 64;
const partitions = 4;
const minutesDefault = 5;
const smokeMinutes = 0.1;
const rateDefault = 5_000;
const tickMs = 100;
const samplesMin = 8;
const sampleMs = 5_000;
/** Of a run that is not twice as long it is the first half. */
const warmUpMinutes = 8;
const drainMsMax = 120_000;
const program = join(packageRoot, 'dist', 'bin', 'meanstream.js');

export const soakBench: Bench = {
  name: 'soak',
  question: 'Does the memory of a processor stay flat under a steady stream?',
  run: (options) =>
    withKafka((servers) => withTemporaryFolder((folder) => soak(servers, folder, options))),
};

interface Memory {
  readonly hours: number;
  readonly resident: number;
  readonly heap: number;
  readonly external: number;
  readonly descriptors: number;
}

async function soak(
  bootstrapServers: string,
  folder: string,
  { smoke, say, minutes: asked, rate = rateDefault }: BenchOptions,
): Promise<BenchRow[]> {
  const minutes = asked ?? (smoke ? smokeMinutes : minutesDefault);
  const application = `bench-soak-${process.pid}`;
  const settings = flags({
    'bootstrap.servers': bootstrapServers,
    'application.id': application,
    'state.dir': join(folder, 'state'),
    ...{ 'metrics.port': 0, 'model.k': k, 'points.format': 'float32', 'log.level': 'info' },
    ...{ 'topics.partitions': partitions, 'topics.points.retention.ms': 600_000 },
  });
  const broker = new KafkaBroker({
    ...{ bootstrapServers, clientId: 'bench', clock: systemClock, logger: silentLogger },
  });
  await broker.connect();
  await requireEmpty(broker);
  applyTopics(settings);
  const child = spawn(process.execPath, [program, 'processor', ...settings], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  try {
    const url = await metricsUrl(child);
    say(`${rate} points/s for ${minutes} minutes`);
    const samples: Memory[] = [];
    const wholeMs = minutes * 60_000;
    const untilMs = systemClock.monotonicMs() + wholeMs;
    const everyMs = Math.min(sampleMs, wholeMs / samplesMin);
    const sampling = sample(url, untilMs, everyMs, samples);
    const written = await stream(broker, rate, untilMs);
    await sampling;
    await untilOut(broker, written);
    return rowsOf(samples, { minutes, rate, written });
  } finally {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
    const made = (await broker.describeTopics()).map(({ name }) => name);
    const ours = new Set<string>(Object.values(topics));
    await broker.deleteTopics(
      made.filter((name) => ours.has(name) || name.startsWith(application)),
    );
    await broker.close();
  }
}

function flags(settings: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
}

function applyTopics(settings: readonly string[]): void {
  const { status, stderr } = spawnSync(
    process.execPath,
    [program, 'topics', 'apply', ...settings],
    {
      encoding: 'utf8',
    },
  );
  if (status !== 0) throw new Error(`The topics could not be made.\n${stderr}`);
}

async function metricsUrl(child: ChildProcess): Promise<string> {
  const lines = createInterface({ input: child.stderr! });
  let said = '';
  for await (const line of lines) {
    const url = /"metrics":"(http:[^"]+)"/.exec(line)?.[1];
    said += `${line}\n`;
    if (url === undefined) continue;
    child.stderr!.resume();
    return url;
  }
  throw new Error(`The processor did not start.\n${said}`);
}

async function stream(broker: Broker, rate: number, untilMs: number): Promise<number> {
  const points = pointSet({ n: 50_000, dims, k, noise: 0.5, seed: 1 });
  const bytes = new Uint8Array(points.values.buffer);
  const width = dims * 4;
  const writer = await broker.openWriter();
  // A wall clock may be set while this runs.
  const nowMs = () => systemClock.monotonicMs();
  const startedMs = nowMs();
  let written = 0;
  while (nowMs() < untilMs) {
    const due = Math.floor(((nowMs() - startedMs) * rate) / 1_000) - written;
    const records = Array.from({ length: partitions }, () => new RecordBatchBuilder());
    for (let i = 0; i < due; i++) {
      const row = (written + i) % points.n;
      const value = bytes.subarray(row * width, (row + 1) * width);
      records[(written + i) % partitions]!.append(Date.now(), null, value);
    }
    const appends = records.map((builder, partition) => ({
      ...{ topic: topics.points, partition, records: builder },
    }));
    await writer.append(appends.filter(({ records: { n } }) => n > 0));
    written += Math.max(0, due);
    await systemClock.sleep(tickMs);
  }
  await writer.close();
  return written;
}

async function sample(
  url: string,
  untilMs: number,
  everyMs: number,
  samples: Memory[],
): Promise<void> {
  const startedMs = systemClock.monotonicMs();
  while (systemClock.monotonicMs() < untilMs) {
    await systemClock.sleep(everyMs);
    const text = await (await fetch(url)).text();
    const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
    samples.push({
      hours: (systemClock.monotonicMs() - startedMs) / 3_600_000,
      resident: value('process_resident_memory_bytes'),
      heap: value('nodejs_heap_size_used_bytes'),
      external: value('nodejs_external_memory_bytes'),
      descriptors: value('process_open_fds'),
    });
  }
}

/** The product's topics have fixed names: a Kafka in use is left alone. */
async function requireEmpty(broker: Broker): Promise<void> {
  const names = Object.values(topics);
  if ((await broker.describeTopics(names)).length === 0) return;
  throw new Error('This Kafka has topics of Meanstream: name another, or none to get a fresh one.');
}

/** Visible records: transaction markers have offsets too, so they are read, not subtracted. */
async function countOf(broker: Broker, topic: string): Promise<number> {
  let count = 0;
  for (const { partition, logStart, end } of await broker.listOffsets(topic)) {
    const reader = broker.openReader({ topic, partition }, logStart);
    while (reader.position < end) count += (await reader.read({ rowsMax: 8192, waitMsMax: 500 })).n;
    await reader.close();
  }
  return count;
}

async function untilOut(broker: Broker, written: number): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + drainMsMax;
  for (let out = -1; out !== written; ) {
    out = await countOf(broker, topics.assignments);
    if (out > written) throw new Error(`${out} assignments came of ${written} points.`);
    if (systemClock.monotonicMs() > deadlineMs)
      throw new Error(`Of ${written} points only ${out} came out.`);
    if (out !== written) await systemClock.sleep(500);
  }
}

function rowsOf(
  samples: readonly Memory[],
  { minutes, rate, written }: { minutes: number; rate: number; written: number },
): BenchRow[] {
  const warmUp = Math.min(warmUpMinutes, minutes / 2);
  const settled = samples.filter(({ hours }) => hours * 60 >= warmUp);
  const row = (name: string, of: (memory: Memory) => number, scale: number): BenchRow => {
    const values = settled.map(of);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const { slope, error } = lineThrough(settled.map(({ hours }, at) => [hours, values[at]!]));
    return {
      ...{ case: name, n: written, d: dims, k, peer: 'none' },
      ...{ ours: rounded((100 * slope) / mean), theirs: null, unit: '%/h', ratio: null },
      ...{ standardError: rounded((100 * error) / mean), mean: rounded(mean / scale) },
      ...{ last: rounded(values.at(-1)! / scale), minutes, warmUp, rate },
    };
  };
  return [
    row('resident memory, MB', ({ resident }) => resident, 1e6),
    row('heap, MB', ({ heap }) => heap, 1e6),
    row('external memory, MB', ({ external }) => external, 1e6),
    row('file descriptors', ({ descriptors }) => descriptors, 1),
  ];
}

/** Least squares: the slope and its standard error. */
function lineThrough(points: readonly (readonly [number, number])[]) {
  const n = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  const top = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const bottom = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  if (bottom === 0) return { slope: 0, error: 0 };
  const slope = top / bottom;
  const left = points.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0);
  return { slope, error: Math.sqrt(left / Math.max(1, n - 2) / bottom) };
}
