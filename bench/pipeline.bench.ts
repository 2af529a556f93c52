// The whole way of a point on a real Kafka: `meanstream processor` against a Kafka Streams application that does the same
// job (bench/peers/kafka-streams), and against kafkajs as it comes. Raw points in, assignments out, learning on.
//
// Each contender is a process of its own, takes in a tenth of the points to get warm, and is idle when the rest appears in
// its input all at once (pipeline-load.ts). The clock runs until its group has committed the end of every partition. Then
// the output is counted: once per point, or the bench fails. Contenders take turns, with one Kafka for all.

import { KafkaBroker } from '../broker/kafka/index.ts';
import { silentLogger, systemClock } from '../support/index.ts';
import type { Bench, BenchOptions, BenchRow } from './bench.ts';
import {
  type Contender,
  kafkaJs,
  kafkaStreams,
  kafkaStreamsMissing,
  meanstream,
} from './contenders.ts';
import { withOwnKafka } from './kafka.ts';
import { withTemporaryFolder } from './paths.ts';
import { Course } from './pipeline-course.ts';
import { Load, type LoadFormat } from './pipeline-load.ts';
import type { StageTime } from './profile.ts';
import { medianSample, rounded, type Sample } from './timing.ts';

interface Case {
  readonly name: string;
  readonly dims: number;
  readonly k: number;
  readonly format: LoadFormat;
  /** Of the points of a full run. */
  readonly share: number;
  readonly ours: Contender;
  readonly peers: readonly Contender[];
  /** Whether to profile ours once more, stage by stage. */
  readonly profiled: boolean;
}

const nDefault = 2_000_000;
const commitIntervalMs = 100;
/** As Kafka's own start script gives it. In 256 MB, half of them the log cleaner's, it collects garbage at our cores' cost. */
const kafkaArgs = ['--heap-mb', '1024'];
const exactlyOnce = [kafkaStreams('exactly_once_v2', 1), kafkaStreams('exactly_once_v2', 2)];
const atLeastOnce = [kafkaStreams('at_least_once', 1), kafkaStreams('at_least_once', 2)];

const cases: readonly Case[] = [
  {
    ...{ name: 'exactly-once d=32 K=64', dims: 32, k: 64, format: 'float32', share: 1 },
    ...{ ours: meanstream(), peers: [...exactlyOnce, kafkaJs()], profiled: true },
  },
  {
    ...{ name: 'at-least-once d=32 K=64', dims: 32, k: 64, format: 'float32', share: 1 },
    ...{ ours: meanstream({ guarantee: 'at_least_once' }), peers: atLeastOnce, profiled: false },
  },
  {
    ...{ name: 'exactly-once d=128 K=1024', dims: 128, k: 1024, format: 'float32', share: 0.1 },
    ...{ ours: meanstream(), peers: exactlyOnce, profiled: false },
  },
  {
    ...{ name: 'exactly-once d=32 K=64 JSON', dims: 32, k: 64, format: 'json', share: 0.5 },
    ...{ ours: meanstream(), peers: exactlyOnce, profiled: false },
  },
];

export const pipelineBench: Bench = {
  name: 'pipeline',
  question: 'How fast are points drained on a real Kafka, exactly once, against Kafka Streams?',
  run: async (options) => {
    const missing = options.smoke ? undefined : kafkaStreamsMissing();
    if (missing !== undefined) options.say(missing);
    const rows: BenchRow[] = [];
    for (const each of casesOf(options)) {
      rows.push(...(await measureCase(withoutMissing(each, options, missing), options)));
    }
    return rows;
  },
};

function casesOf({ smoke, only = '' }: BenchOptions): readonly Case[] {
  if (smoke) return cases.slice(0, 2);
  const named = cases.filter(({ name }) => name === only);
  const wanted = named.length > 0 ? named : cases.filter(({ name }) => name.includes(only));
  if (wanted.length > 0) return wanted;
  const names = cases.map(({ name }) => `"${name}"`).join(', ');
  throw new Error(`No case has "${only}" in its name; there are ${names}.`);
}

/** The Java peer takes longer to start than all the rest of a smoke run. */
function withoutMissing(each: Case, { smoke }: BenchOptions, missing: string | undefined): Case {
  if (!smoke && missing === undefined) return each;
  return { ...each, peers: each.peers.filter(({ name }) => !name.startsWith('Kafka Streams')) };
}

async function measureCase(each: Case, options: BenchOptions): Promise<BenchRow[]> {
  const { dims, k, format, share } = each;
  const n = Math.round((options.n ?? (options.smoke ? 20_000 : nDefault)) * share);
  return withOwnKafka(
    (bootstrapServers) =>
      withTemporaryFolder(async (folder) => {
        const broker = new KafkaBroker({
          ...{ bootstrapServers, clientId: 'bench', clock: systemClock, logger: silentLogger },
        });
        await broker.connect();
        try {
          options.say(`${each.name}: making ${n} points`);
          const load = new Load({ broker, bootstrapServers, n, dims, k, format });
          const arena = { broker, bootstrapServers, folder, format, points: load.points };
          const course = new Course({ ...arena, commitIntervalMs }, load, n, options);
          return await raceOf(each, course, options.smoke ? 1 : 3);
        } finally {
          await broker.close();
        }
      }),
    kafkaArgs,
  );
}

async function raceOf(each: Case, course: Course, rounds: number): Promise<BenchRow[]> {
  const ours: Sample[] = [];
  const theirs = new Map<Contender, Sample[]>(each.peers.map((peer) => [peer, []]));
  for (let round = 0; round < rounds; round++) {
    ours.push(await course.run(each.ours));
    for (const [peer, samples] of theirs) samples.push(await course.run(peer));
  }
  const { dims, k } = each;
  const shape = { case: each.name, n: course.n, d: dims, k };
  const times = each.profiled ? await course.profile() : [];
  const rows = [...theirs].map(([peer, samples]) => rowOf(shape, ours, peer.name, samples));
  if (rows.length === 0) rows.push(rowOf(shape, ours, 'none', undefined));
  return [...rows.sort(fastestPeerFirst), ...stageRows(shape, times)];
}

function fastestPeerFirst(a: BenchRow, b: BenchRow): number {
  return a.case.localeCompare(b.case) || (b.theirs ?? 0) - (a.theirs ?? 0);
}

type Shape = Pick<BenchRow, 'case' | 'n' | 'd' | 'k'>;

function rowOf(shape: Shape, ours: Sample[], peer: string, theirs: Sample[] | undefined): BenchRow {
  const { n } = shape;
  const us = medianSample(ours);
  const them = theirs && medianSample(theirs);
  const perMillion = ({ cpuSeconds }: Sample) => rounded((cpuSeconds / n) * 1e6);
  const spread = ours.map(({ seconds }) => rounded(n / seconds)).sort((a, b) => a - b);
  return {
    ...shape,
    peer,
    ours: rounded(n / us.seconds),
    theirs: them === undefined ? null : rounded(n / them.seconds),
    unit: 'points/s',
    ratio: them === undefined ? null : rounded(them.seconds / us.seconds),
    cpuOurs: perMillion(us),
    cpuTheirs: them === undefined ? null : perMillion(them),
    cpuRatio: them === undefined ? null : rounded(us.cpuSeconds / them.cpuSeconds),
    oursSpread: `${spread[0]}–${spread.at(-1)}`,
  };
}

/** Under the profiler the seconds are too many; the shares hold. */
function stageRows(shape: Shape, times: readonly StageTime[]): BenchRow[] {
  const total = times.reduce((sum, { seconds }) => sum + seconds, 0);
  return times.map(({ stage, seconds }) => ({
    ...{ ...shape, case: `where the time goes: ${stage}`, peer: 'none' },
    ...{ ours: rounded((seconds / shape.n) * 1e6), theirs: null, unit: 's/million points' },
    ...{ ratio: null, share: rounded(seconds / total) },
  }));
}
