// One Apache Kafka (KRaft, one node) on 127.0.0.1, without Docker: for `npm run kafka`, for tests and for benches.
// A data folder is formatted when it is new and kept when it is not.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { DependencyDownError } from '../../support/index.ts';
import { besideThis, kafkaVersion } from './kafka-jars.ts';
import { hasLiveBroker } from './probe-kafka.ts';

export interface LocalKafkaOptions {
  /** 0 takes a free one. */
  readonly port: number;
  readonly dataDir: string;
  readonly jarsDir: string;
  /** Of the JVM, default 256: half of it is the log cleaner's buffer. */
  readonly heapMb?: number;
  /** More lines of server.properties, and overrides of ours. */
  readonly properties?: Readonly<Record<string, string>>;
  /** For a data folder that is new; nodes of one cluster share it. Without one a new id is made. */
  readonly clusterId?: string;
}

export interface LocalKafka {
  readonly bootstrapServers: string;
  readonly jarsDir: string;
  readonly logFile: string;
  /** Resolves when the process has ended, whoever ended it. */
  readonly ended: Promise<void>;
  /** A clean stop, or a kill after 10 s; `kill` at once, for data nobody needs. */
  stop(how?: 'clean' | 'kill'): Promise<void>;
}

const startMsMax = 60_000;
const stopMsMax = 10_000;

/** Small and quick to start; a broker for development needs no more. */
const heapMbDefault = 256;
const jvmFlags = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto'];

export async function startLocalKafka(options: LocalKafkaOptions): Promise<LocalKafka> {
  const port = options.port === 0 ? await freePort() : options.port;
  givenPorts.add(port);
  if (await hasLiveBroker(`127.0.0.1:${port}`, 300)) {
    throw new DependencyDownError(
      `Port ${port} already has a Kafka: use it (KAFKA_BROKERS=127.0.0.1:${port}) or choose another --port.`,
    );
  }
  mkdirSync(options.dataDir, { recursive: true });
  const properties = join(options.dataDir, 'server.properties');
  const logFile = join(options.dataDir, 'kafka.log');
  writeFileSync(properties, await serverProperties(options, port));
  await formatOnce(options, properties);
  const child = launch(options, properties, logFile);
  const kafka = handleOf(child, options.jarsDir, `127.0.0.1:${port}`, logFile);
  await untilReady(kafka);
  return kafka;
}

async function serverProperties(options: LocalKafkaOptions, port: number): Promise<string> {
  const controllerPort = await freePort();
  const lines: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': logDir(options),
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '500',
    'auto.create.topics.enable': 'false',
    ...options.properties,
  };
  return Object.entries(lines)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

/** Not the data folder itself: Kafka takes every folder in it for a partition. */
function logDir({ dataDir }: LocalKafkaOptions): string {
  return join(dataDir, 'log');
}

async function formatOnce(options: LocalKafkaOptions, properties: string): Promise<void> {
  if (existsSync(join(logDir(options), 'meta.properties'))) return;
  await promisify(execFile)('java', [
    ...javaArguments(options.jarsDir),
    ...['kafka.tools.StorageTool', 'format'],
    ...['-t', options.clusterId ?? newClusterId(), '-c', properties],
  ]);
}

/** As Kafka makes them: none begins with a dash, which its tools would take for an option. */
export function newClusterId(): string {
  const id = randomBytes(16).toString('base64url');
  return id.startsWith('-') ? newClusterId() : id;
}

function launch(
  { jarsDir, heapMb = heapMbDefault }: LocalKafkaOptions,
  properties: string,
  logFile: string,
): ChildProcess {
  const log = openSync(logFile, 'a');
  try {
    return spawn('java', [...javaArguments(jarsDir, heapMb), 'kafka.Kafka', properties], {
      stdio: ['ignore', log, log],
      // Its own process group: Ctrl-C in a terminal is for us, and we stop it in order.
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}

function javaArguments(jarsDir: string, heapMb = heapMbDefault): string[] {
  const logging = `-Dlog4j2.configurationFile=${besideThis('log4j2.properties')}`;
  return [`-Xms${heapMb}m`, `-Xmx${heapMb}m`, ...jvmFlags, logging, '-cp', join(jarsDir, '*')];
}

function handleOf(
  child: ChildProcess,
  jarsDir: string,
  bootstrapServers: string,
  logFile: string,
): LocalKafka {
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const killWithUs = () => child.kill('SIGKILL');
  process.once('exit', killWithUs);
  void ended.then(() => process.off('exit', killWithUs));
  return {
    bootstrapServers,
    jarsDir,
    logFile,
    ended,
    async stop(how = 'clean') {
      child.kill(how === 'kill' ? 'SIGKILL' : 'SIGTERM');
      const late = sleep(stopMsMax, undefined, { ref: false }).then(() => child.kill('SIGKILL'));
      await Promise.race([ended, late.then(() => ended)]);
    },
  };
}

async function untilReady(kafka: LocalKafka): Promise<void> {
  let over = false;
  void kafka.ended.then(() => {
    over = true;
  });
  const deadline = Date.now() + startMsMax;
  while (!over && Date.now() < deadline) {
    if (await hasLiveBroker(kafka.bootstrapServers, 1_000)) return;
    await sleep(50);
  }
  await kafka.stop('kill');
  const lastLines = readFileSync(kafka.logFile, 'utf8').trim().split('\n').slice(-8).join('\n');
  const reason = over ? 'ended while starting' : `was not ready within ${startMsMax} ms`;
  throw new DependencyDownError(
    `Kafka ${kafkaVersion} ${reason}; its log ${kafka.logFile} ends with:\n${lastLines}`,
  );
}

const givenPorts = new Set<number>();

/** Never the same one twice: whoever asks for several has not bound the first yet. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
  if (givenPorts.has(port)) return freePort();
  givenPorts.add(port);
  return port;
}
