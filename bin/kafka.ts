// npm run kafka: an Apache Kafka on this machine for trying things out, without Docker.

import { resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { kafkaBrokersOfEnvironment } from '../config/index.ts';
import { DependencyDownError } from '../support/index.ts';
import { exitCodeOf, exitCodes } from './exit-codes.ts';
import { defaultJarsDir, ensureJars, kafkaVersion, missingTools } from './kafka/kafka-jars.ts';
import { startLocalKafka } from './kafka/local-kafka.ts';
import { hasLiveBroker } from './kafka/probe-kafka.ts';
import { packageFile } from './package-root.ts';

const probeMsMax = 5_000;
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

type StopSignal = (typeof stopSignals)[number];

interface Options {
  readonly port: number;
  readonly dataDir: string;
  readonly heapMb?: number;
}

const program = new Command('npm run kafka --')
  .description(`Starts Apache Kafka ${kafkaVersion} (KRaft, one node) on 127.0.0.1 until Ctrl-C.`)
  .option('--port <port>', 'where clients connect', portNumber, 9092)
  .option('--data-dir <folder>', 'kept between runs', packageFile('.kafka', 'data'))
  .option('--heap-mb <size>', 'memory of its JVM (default 256)', megabytes)
  .addHelpText(
    'after',
    `
Needs Java 17 or later, and Maven the first time (54 MB into .kafka/).
With KAFKA_BROKERS=host:port set it starts nothing and only checks that one.

Example:
  npm run kafka -- --port 9092 --data-dir /tmp/kafka`,
  )
  .action(run);

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(exitCodeOf(error));
}

async function run(options: Options): Promise<void> {
  const theirs = kafkaBrokersOfEnvironment();
  await (theirs === undefined ? startOurs(options) : checkTheirs(theirs));
}

async function checkTheirs(brokers: string): Promise<void> {
  if (!(await hasLiveBroker(brokers, probeMsMax))) {
    throw new DependencyDownError(
      `KAFKA_BROKERS is ${brokers}, but no Kafka answered there within ${probeMsMax} ms. Start it, correct the variable, or unset it to get a local Kafka.`,
    );
  }
  console.log(`Kafka answers at ${brokers} (from KAFKA_BROKERS); nothing was started.`);
  console.log(nextCommands(brokers));
}

async function startOurs({ port, dataDir, heapMb }: Options): Promise<void> {
  const jarsDir = defaultJarsDir();
  const missing = missingTools(jarsDir);
  if (missing !== undefined) throw new DependencyDownError(missing);
  await ensureJars(jarsDir, () => {
    console.log(`Fetching Kafka ${kafkaVersion} with Maven into ${jarsDir} (once, 54 MB) …`);
  });
  console.log(`Starting Kafka ${kafkaVersion} …`);
  const signalled = stopSignal();
  const starting = startLocalKafka({
    ...{ port, dataDir: resolve(dataDir), jarsDir },
    ...(heapMb === undefined ? {} : { heapMb }),
  });
  const kafka = await Promise.race([starting, signalled]);
  // Leaving takes a half-started Kafka with us.
  if (typeof kafka === 'string') process.exit(exitCodeAfter(kafka));
  console.log(`Kafka is ready at ${kafka.bootstrapServers}; its log is ${kafka.logFile}`);
  console.log(`${nextCommands(kafka.bootstrapServers)}\n\nCtrl-C stops it and keeps its data.`);
  const signal = await Promise.race([signalled, kafka.ended]);
  if (signal === undefined) {
    throw new DependencyDownError(`Kafka ended by itself; its log ${kafka.logFile} says why.`);
  }
  console.log('\nStopping Kafka …');
  await kafka.stop();
  process.exit(exitCodeAfter(signal));
}

function exitCodeAfter(signal: StopSignal): number {
  return signal === 'SIGINT' ? exitCodes.interrupted : exitCodes.ok;
}

function nextCommands(brokers: string): string {
  return [
    'Next, each in its own terminal:',
    `  export MEANSTREAM_BOOTSTRAP_SERVERS=${brokers}`,
    '  npx meanstream topics apply',
    '  npx meanstream processor',
    '  npx meanstream gateway',
  ].join('\n');
}

/** npm hands a terminal's Ctrl-C on to its child, which got it already: later signals are the same wish. */
async function stopSignal(): Promise<StopSignal> {
  return new Promise((resolve) => {
    for (const signal of stopSignals) process.on(signal, () => resolve(signal));
  });
}

function megabytes(text: string): number {
  const size = Number(text);
  if (Number.isInteger(size) && size >= 256) return size;
  throw new InvalidArgumentError('a size is a whole number of MB from 256.');
}

function portNumber(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError('a port is a whole number from 1 to 65535.');
}
