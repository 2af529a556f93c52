// Who drains points in the pipeline bench: each is a process of its own, started as its users start it, with an input, an
// output and a consumer group. Its CPU seconds are read from the kernel's books, all threads of it.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Broker } from '../broker/index.ts';
import { topics } from '../schemas/index.ts';
import { packageRoot } from './paths.ts';
import { type LoadFormat, partitions } from './pipeline-load.ts';
import type { PointSet } from './points.ts';

export interface Arena {
  readonly broker: Broker;
  readonly bootstrapServers: string;
  /** For state and files; gone afterwards. */
  readonly folder: string;
  readonly points: PointSet;
  readonly format: LoadFormat;
  readonly commitIntervalMs: number;
}

export interface Contender {
  readonly name: string;
  /** Starts a process; its topics exist when it resolves. */
  start(arena: Arena): Promise<Runner>;
}

/** A running process, and where it reads, writes and keeps its offsets. */
export interface Runner {
  readonly input: string;
  readonly output: string;
  readonly group: string;
  readonly process: PipelineProcess;
  /** Topics nobody needs afterwards. */
  readonly leavings: readonly string[];
}

export class PipelineProcess {
  readonly #child: ChildProcess;
  #said = '';

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#said = (this.#said + text).slice(-4_000);
      });
    }
  }

  /** User and system, so far. 0 where the kernel keeps no books in /proc. */
  cpuSeconds(): number {
    const path = `/proc/${this.#child.pid}/stat`;
    if (!existsSync(path)) return 0;
    const fields = readFileSync(path, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    const ticksPerSecond = 100;
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }

  get lastWords(): string {
    return this.#said;
  }

  /** @throws with its last words when it has ended by itself. */
  checkAlive(): void {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) return;
    throw new Error(`A process of the bench has ended (${exitCode ?? signalCode}).\n${this.#said}`);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 30_000);
    await ended;
    clearTimeout(late);
  }
}

export type Guarantee = 'exactly_once_v2' | 'at_least_once';

export interface MeanstreamOptions {
  readonly guarantee?: Guarantee;
  /** Arguments of Node.js, such as those of a profiler. */
  readonly nodeArgs?: readonly string[];
}

const cli = join(packageRoot, 'dist/bin/meanstream.js');
const application = 'bench';

/** `meanstream processor`, with default settings but for the model's shape, the format and the commit interval. */
export function meanstream({
  guarantee = 'exactly_once_v2',
  nodeArgs = [],
}: MeanstreamOptions = {}): Contender {
  return {
    name: 'meanstream',
    async start(arena) {
      const settings = { ...settingsOf(arena), 'processing.guarantee': guarantee };
      const flags = Object.entries(settings).flatMap(([key, value]) => [
        ...['--set', `${key}=${value}`],
      ]);
      const applied = spawnSync(process.execPath, [cli, 'topics', 'apply', ...flags]);
      if (applied.status !== 0) throw new Error(applied.stderr.toString());
      return {
        ...{ input: topics.points, output: topics.assignments, group: application, leavings: [] },
        process: new PipelineProcess(process.execPath, [...nodeArgs, cli, 'processor', ...flags]),
      };
    },
  };
}

function settingsOf({ points, format, folder, bootstrapServers, commitIntervalMs }: Arena) {
  return {
    'bootstrap.servers': bootstrapServers,
    'application.id': application,
    'state.dir': join(folder, 'state'),
    'topics.partitions': partitions,
    'model.k': points.k,
    'model.dimensions': points.dims,
    'bootstrap.rows': Math.max(2_000, 4 * points.k),
    'points.format': format,
    'commit.interval.ms': commitIntervalMs,
    'metrics.port': 0,
    'log.level': 'warn',
  };
}

const streamsFolder = join(packageRoot, 'bench', 'peers', 'kafka-streams');

/** Why Kafka Streams cannot run here; undefined when it can. Builds it the first time, and when it was changed. */
export function kafkaStreamsMissing(): string | undefined {
  if (isStreamsBuilt()) return undefined;
  const built = spawnSync('mvn', ['-B', '-q', '-f', join(streamsFolder, 'pom.xml'), 'package']);
  return built.status === 0 ? undefined : 'missing: Kafka Streams needs Java 17 and Maven';
}

function isStreamsBuilt(): boolean {
  const jar = join(streamsFolder, 'target', 'peer.jar');
  const sources = join(streamsFolder, 'src', 'main', 'java', 'io', 'meanstream', 'bench');
  const changedMs = readdirSync(sources).map((name) => statSync(join(sources, name)).mtimeMs);
  return existsSync(jar) && Math.max(...changedMs) <= statSync(jar).mtimeMs;
}

/** Arguments of `java` for one of the peer's programs. */
export function kafkaStreamsArgs(
  program: 'Peer' | 'Restore',
  options: Readonly<Record<string, string | number>>,
): string[] {
  const jars = ['peer.jar', 'libs/*'].map((name) => join(streamsFolder, 'target', name));
  return [
    ...['-Xms1g', '-Xmx1g', '-XX:+UseParallelGC', '-cp', jars.join(':')],
    `io.meanstream.bench.${program}`,
    ...Object.entries(options).map(([name, value]) => `${name}=${value}`),
  ];
}

/** bench/peers/kafka-streams: what it does and how it is tuned stands at the head of Peer.java. */
export function kafkaStreams(guarantee: Guarantee, threads: number): Contender {
  return {
    name: `Kafka Streams 4.3.1, ${guarantee}, ${threads} thread${threads === 1 ? '' : 's'}`,
    async start(arena) {
      const own = await peerTopics(arena, `streams-${threads}`);
      const options = { ...peerOptions(arena, own), guarantee, threads };
      return {
        ...own,
        leavings: [own.input, own.output, `${own.group}-centroids-changelog`],
        process: new PipelineProcess('java', kafkaStreamsArgs('Peer', options)),
      };
    },
  };
}

/** bench/peers/kafkajs-peer.ts: kafkajs's consumer and producer as they come, with our kernels between them. */
export function kafkaJs(): Contender {
  return {
    name: 'kafkajs 2.2.4',
    async start(arena) {
      const own = await peerTopics(arena, 'kafkajs');
      const options = peerOptions(arena, own);
      return {
        ...own,
        leavings: [own.input, own.output],
        process: new PipelineProcess(process.execPath, [
          join(packageRoot, 'dist/bench/peers/kafkajs-peer.js'),
          JSON.stringify(options),
        ]),
      };
    },
  };
}

interface PeerTopics {
  readonly input: string;
  readonly output: string;
  readonly group: string;
}

let peersStarted = 0;

async function peerTopics({ broker }: Arena, kind: string): Promise<PeerTopics> {
  peersStarted += 1;
  const group = `bench-${kind}-${peersStarted}`;
  const [input, output] = [`${group}-points`, `${group}-assignments`] as const;
  const specs = [input, output].map((name) => ({ name, partitions, replicationFactor: 1 }));
  await broker.createTopics(specs.map((spec) => ({ ...spec, configs: {} })));
  return { input, output, group };
}

/** What a peer is told. Where its first model begins is given to it. */
function peerOptions(arena: Arena, { input, output, group }: PeerTopics) {
  const { points, format, folder, bootstrapServers, commitIntervalMs } = arena;
  const state = mkdtempSync(join(folder, 'peer-'));
  const centroids = join(state, 'centroids.f32');
  writeFileSync(centroids, Float32Array.from(points.centres));
  return {
    ...{ bootstrap: bootstrapServers, application: group, input, output, state, centroids },
    ...{ dims: points.dims, k: points.k, format, commit: commitIntervalMs },
  };
}

export type PeerOptions = ReturnType<typeof peerOptions>;
