// A Kafka to measure against: the one at KAFKA_BROKERS, else a fresh one by `npm run kafka`'s program, gone afterwards.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { environmentWithoutKafka, kafkaBrokersOfEnvironment } from '../config/index.ts';
import { packageRoot, withTemporaryFolder } from './paths.ts';

/** @throws Error with what is missing when no Kafka can be had. */
export async function withKafka<T>(use: (bootstrapServers: string) => Promise<T>): Promise<T> {
  const theirs = kafkaBrokersOfEnvironment();
  return theirs === undefined ? withOwnKafka(use) : use(theirs);
}

/** A fresh one whatever KAFKA_BROKERS says: for benches whose topics have the product's names. */
export async function withOwnKafka<T>(
  use: (bootstrapServers: string) => Promise<T>,
  args: readonly string[] = [],
): Promise<T> {
  return withTemporaryFolder(async (folder) => {
    const port = await freePort();
    const child = spawn(
      process.execPath,
      [join(packageRoot, 'dist/bin/kafka.js'), '--port', `${port}`, '--data-dir', folder, ...args],
      { env: environmentWithoutKafka(), stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const ended = once(child, 'exit');
    try {
      await untilReady(child);
      return await use(`127.0.0.1:${port}`);
    } finally {
      child.kill('SIGTERM');
      await ended;
    }
  });
}

async function untilReady(child: ChildProcess): Promise<void> {
  let complaint = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  for await (const line of createInterface({ input: child.stdout! })) {
    if (!line.startsWith('Kafka is ready')) continue;
    child.stdout!.resume();
    return;
  }
  throw new Error(`No Kafka could be started.\n${complaint.trim()}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
