// A real Kafka for tests: the one at KAFKA_BROKERS, else a fresh one on a free port with a data folder of its own.
// Without Java or Maven there is none, and the reason becomes the name of the skip:
//
//   const kafka = inject('kafka');                                  // one for the whole run (kafka-global-setup.ts)
//   describe.skipIf('unavailable' in kafka)(titleWith(kafka, 'the Kafka adapter'), () => { … });

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultJarsDir, ensureJars, missingTools } from '../../bin/kafka/kafka-jars.ts';
import { startLocalKafka } from '../../bin/kafka/local-kafka.ts';
import { kafkaBrokersOfEnvironment } from '../../config/index.ts';

export interface RunningKafka {
  readonly bootstrapServers: string;
  /** The jars with Kafka's own console tools; undefined when the Kafka is not ours and they were never fetched. */
  readonly libsDir: string | undefined;
}

export interface TestKafka extends RunningKafka {
  stop(): Promise<void>;
}

export interface Unavailable {
  readonly unavailable: string;
}

/** Compaction within seconds, so that tests can wait for it; sessions and timed-out transactions end quickly. */
const quickHousekeeping = {
  'log.cleaner.backoff.ms': '500',
  'log.retention.check.interval.ms': '1000',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '500',
};

export async function startTestKafka(
  properties: Readonly<Record<string, string>> = {},
): Promise<TestKafka | Unavailable> {
  const jarsDir = defaultJarsDir();
  const theirs = kafkaBrokersOfEnvironment();
  if (theirs !== undefined) {
    const libsDir = existsSync(jarsDir) ? jarsDir : undefined;
    return { bootstrapServers: theirs, libsDir, stop: async () => {} };
  }
  const missing = ownKafkaMissing();
  if (missing !== undefined) return { unavailable: missing };
  return startOwnKafka(properties);
}

export interface OwnKafka extends TestKafka {
  readonly libsDir: string;
}

/** Why no Kafka can be started here; undefined when one can. */
export function ownKafkaMissing(): string | undefined {
  return missingTools(defaultJarsDir())?.split('\n')[0];
}

/** A fresh one whatever KAFKA_BROKERS says: for tests that need topics of fixed names, or to stop it. */
export async function startOwnKafka(
  properties: Readonly<Record<string, string>> = {},
): Promise<OwnKafka> {
  const jarsDir = defaultJarsDir();
  await ensureJars(jarsDir, () => {});
  const dataDir = mkdtempSync(join(tmpdir(), 'meanstream-kafka-'));
  const removeData = () => rmSync(dataDir, { recursive: true, force: true });
  try {
    const kafka = await startLocalKafka({
      port: 0,
      dataDir,
      jarsDir,
      properties: { ...quickHousekeeping, ...properties },
    });
    return {
      bootstrapServers: kafka.bootstrapServers,
      libsDir: kafka.jarsDir,
      async stop() {
        await kafka.stop('kill');
        removeData();
      },
    };
  } catch (error) {
    removeData();
    throw error;
  }
}

/** The title of a suite that needs Kafka; when there is none, the title says why. */
export function titleWith(kafka: RunningKafka | Unavailable, title: string): string {
  return 'unavailable' in kafka ? `${title} (skipped: ${kafka.unavailable})` : title;
}
