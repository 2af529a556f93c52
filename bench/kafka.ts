// A Kafka to measure against: the one at KAFKA_BROKERS, else a fresh one as `npm run kafka` starts it, gone afterwards.

import { join } from 'node:path';
import { defaultJarsDir, ensureJars, missingTools } from '../bin/kafka/kafka-jars.ts';
import { startLocalKafka } from '../bin/kafka/local-kafka.ts';
import { kafkaBrokersOfEnvironment } from '../config/index.ts';
import { withTemporaryFolder } from './paths.ts';

/** @throws Error with what is missing when no Kafka can be had. */
export async function withKafka<T>(use: (bootstrapServers: string) => Promise<T>): Promise<T> {
  const theirs = kafkaBrokersOfEnvironment();
  return theirs === undefined ? withOwnKafka(use) : use(theirs);
}

/** A fresh one whatever KAFKA_BROKERS says: for benches whose topics have the product's names. */
export async function withOwnKafka<T>(use: (bootstrapServers: string) => Promise<T>): Promise<T> {
  const jarsDir = defaultJarsDir();
  const missing = missingTools(jarsDir);
  if (missing !== undefined) throw new Error(missing);
  await ensureJars(jarsDir, () => {});
  return withTemporaryFolder(async (folder) => {
    const kafka = await startLocalKafka({ port: 0, dataDir: join(folder, 'kafka'), jarsDir });
    try {
      return await use(kafka.bootstrapServers);
    } finally {
      await kafka.stop('kill');
    }
  });
}
