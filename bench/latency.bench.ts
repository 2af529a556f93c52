// How long a point takes from the call that produces it until a read_committed consumer sees its assignment, at a steady rate
// through `meanstream processor` on a real Kafka. Producer and consumer are this process, so there is one clock: a record's
// key says when it was due, to the microsecond.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Broker, partitionOfKey, type Writer } from '../broker/index.ts';
import { KafkaBroker } from '../broker/kafka/index.ts';
import { RecordBatchBuilder, topics } from '../schemas/index.ts';
import { silentLogger, systemClock } from '../support/index.ts';
import type { Bench, BenchOptions, BenchRow } from './bench.ts';
import { meanstream } from './contenders.ts';
import { withOwnKafka } from './kafka.ts';
import { withTemporaryFolder } from './paths.ts';
import { partitions } from './pipeline-load.ts';
import { type PointSet, pointSet } from './points.ts';
import { rounded } from './timing.ts';

const pointsPerSecond = 20_000;
const dims = 32;
const k = 64;
const commitIntervalsMs = [100, 20];
/** What is sent at a time: a burst every few milliseconds. */
const everyMs = 5;
const warmUpSeconds = 20;
const secondsDefault = 30;
/** As Kafka's own start script gives it. In 256 MB, half of them the log cleaner's, it stops for 100 ms to collect garbage. */
const kafkaArgs = ['--heap-mb', '1024'];

export const latencyBench: Bench = {
  name: 'latency',
  question: 'How long from producing a point until its assignment can be read, at 20,000 points/s?',
  run: async (options) => {
    const rows: BenchRow[] = [];
    for (const interval of options.smoke ? commitIntervalsMs.slice(0, 1) : commitIntervalsMs) {
      rows.push(await measure(interval, options));
    }
    return rows;
  },
};

async function measure(commitIntervalMs: number, options: BenchOptions): Promise<BenchRow> {
  const seconds = options.smoke
    ? 1
    : (options.n ?? secondsDefault * pointsPerSecond) / pointsPerSecond;
  const points = pointSet({ n: pointsPerSecond, dims, k, noise: 0.5, seed: 1 });
  const latenciesMs = await withOwnKafka(
    (bootstrapServers) =>
      withTemporaryFolder(async (folder) => {
        const broker = new KafkaBroker({
          ...{ bootstrapServers, clientId: 'bench', clock: systemClock, logger: silentLogger },
        });
        await broker.connect();
        const arena = { broker, bootstrapServers, folder, points, format: 'float32' as const };
        const { process } = await meanstream().start({ ...arena, commitIntervalMs });
        try {
          options.say(
            `a commit every ${commitIntervalMs} ms, ${pointsPerSecond} points/s, ${seconds} s`,
          );
          return await latencies(broker, points, seconds);
        } finally {
          await process.stop();
          await broker.close();
        }
      }),
    kafkaArgs,
  );
  const at = (share: number) => rounded(latenciesMs[Math.floor(latenciesMs.length * share)]!);
  return {
    ...{ case: `commit every ${commitIntervalMs} ms`, n: latenciesMs.length, d: dims, k },
    ...{ peer: 'none', ours: at(0.99), theirs: null, unit: 'ms (p99)', ratio: null },
    ...{ p50: at(0.5), p99: at(0.99), p999: at(0.999), bound: commitIntervalMs + 50 },
  };
}

/** Of every point sent after the first model was there and the processor was warm; ascending. */
async function latencies(broker: Broker, points: PointSet, seconds: number): Promise<number[]> {
  const found: number[] = [];
  const stopping = new AbortController();
  const started = performance.now();
  let countFrom = Infinity;
  const following = Array.from({ length: partitions }, (_, partition) =>
    follow(broker, partition, stopping.signal, (sentMs) => {
      if (sentMs >= countFrom) found.push(performance.now() - started - sentMs);
    }),
  );
  const writer = await broker.openWriter();
  await send(writer, points, started, warmUpSeconds);
  countFrom = performance.now() - started;
  const sent = await send(writer, points, started, seconds);
  while (found.length < sent) await sleep(10);
  stopping.abort();
  await Promise.all(following);
  return found.sort((a, b) => a - b);
}

/**
 * A burst is due every `everyMs`, and its points say when that was: what the sender or Kafka's acknowledgements are late by
 * counts as theirs. All partitions travel in one request, as every client's producer sends what has gathered.
 */
async function send(
  writer: Writer,
  { n, values }: PointSet,
  started: number,
  seconds: number,
): Promise<number> {
  const encoder = new TextEncoder();
  const bytes = new Uint8Array(values.buffer);
  const builders = Array.from({ length: partitions }, () => new RecordBatchBuilder());
  const begun = performance.now();
  const total = Math.round(seconds * pointsPerSecond);
  const burstRows = (pointsPerSecond * everyMs) / 1000;
  for (let row = 0; row < total; ) {
    const bursts = Math.floor((performance.now() - begun) / everyMs);
    const due = Math.min(total, (bursts + 1) * burstRows);
    for (const builder of builders) builder.clear();
    for (; row < due; row++) {
      const dueMs = begun - started + Math.floor(row / burstRows) * everyMs;
      const key = encoder.encode(`${dueMs.toFixed(3)}-${row}`);
      const value = bytes.subarray((row % n) * dims * 4, ((row % n) + 1) * dims * 4);
      builders[partitionOfKey(key, partitions)]!.append(Date.now(), key, value);
    }
    const appends = builders.map((records, partition) => ({
      ...{ topic: topics.points, partition, records },
    }));
    await writer.append(appends.filter(({ records }) => records.n > 0));
    await sleep(Math.max(0, (bursts + 1) * everyMs - (performance.now() - begun)));
  }
  return total;
}

async function follow(
  broker: Broker,
  partition: number,
  signal: AbortSignal,
  seen: (sentMs: number) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  const reader = broker.openReader({ topic: topics.assignments, partition }, 0);
  while (!signal.aborted) {
    const { n, bytes, keyStarts, keyEnds } = await reader.read({ rowsMax: 8_192, waitMsMax: 100 });
    for (let row = 0; row < n; row++) {
      seen(Number.parseFloat(decoder.decode(bytes.subarray(keyStarts[row]!, keyEnds[row]!))));
    }
  }
  await reader.close();
}
