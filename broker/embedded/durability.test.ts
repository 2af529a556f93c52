import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ClassicLevel } from 'classic-level';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { silentLogger, systemClock } from '../../support/index.ts';
import type { Broker } from '../broker.ts';
import { appendOf, codeOf } from '../testing/contract-fixtures.ts';
import { EmbeddedBroker } from './index.ts';
import { group, input, outputs, rowsOf, writers } from './testing/commit-until-killed.ts';

// The built file: a process runs what was emitted, never the sources.
const script = fileURLToPath(
  new URL('../../dist/broker/embedded/testing/commit-until-killed.js', import.meta.url),
);

let dataDir: string;
let child: ChildProcess | undefined;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'meanstream-killed-'));
});

afterEach(async () => {
  child?.kill('SIGKILL');
  await rm(dataDir, { recursive: true, force: true });
});

/** Runs the committing process until it has acknowledged `count` more transactions. @returns the last of each writer */
async function start(count: number): Promise<{ kill: () => Promise<number[]> }> {
  const acknowledged = new Array<number>(writers).fill(-1);
  const started = spawn(process.execPath, [script, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child = started;
  const exited = once(started, 'exit');
  const lines = createInterface({ input: started.stdout });
  const enough = new Promise<void>((resolve, reject) => {
    let seen = 0;
    lines.on('line', (line) => {
      const [writer, transaction] = line.split(' ').map(Number);
      acknowledged[writer!] = transaction!;
      seen += 1;
      if (seen >= count) resolve();
    });
    lines.on('close', () => reject(new Error(`the process ended after ${seen} transactions`)));
  });
  await enough;
  return {
    kill: async () => {
      started.kill('SIGKILL');
      await exited;
      return acknowledged;
    },
  };
}

async function opened(): Promise<EmbeddedBroker> {
  const broker = new EmbeddedBroker({ dataDir, clock: systemClock, logger: silentLogger });
  await broker.connect();
  return broker;
}

/** How many rows carry each value, in the order of the log. */
async function valuesOf(broker: Broker, topic: string, partition: number): Promise<number[]> {
  const counts: number[] = [];
  const { end } = (await broker.listOffsets(topic))[partition]!;
  const reader = broker.openReader({ topic, partition }, 0);
  while (reader.position < end) {
    const batch = await reader.read({ rowsMax: 4096, waitMsMax: 0 });
    for (let row = 0; row < batch.n; row++) {
      const value = batch.bytes.subarray(batch.valueStarts[row], batch.valueEnds[row]);
      const transaction = Number(new TextDecoder().decode(value));
      counts[transaction] = (counts[transaction] ?? 0) + 1;
      if (transaction !== counts.length - 1) expect.fail(`${transaction} is out of order`);
    }
  }
  return counts;
}

it('keeps every acknowledged transaction over kill -9, and of the others all or nothing', async () => {
  for (const count of [1, 60, 250, 400, 700]) {
    const running = await start(count);
    const acknowledged = await running.kill();
    const broker = await opened();
    for (let partition = 0; partition < writers; partition++) {
      const asked = [{ topic: input, partition }];
      const [committed] = await broker.committedOffsets(group, asked);
      const transactions = committed?.offset ?? 0;
      expect(transactions).toBeGreaterThan(acknowledged[partition]!);
      const expected = Array.from({ length: transactions }, (_, n) => rowsOf(n));
      for (const topic of outputs) {
        expect(await valuesOf(broker, topic, partition)).toEqual(expected);
      }
    }
    await broker.close();
  }
}, 120_000);

it('notices records that are gone from the files', async () => {
  const broker = await opened();
  const configs = { 'retention.ms': '-1' };
  await broker.createTopics([{ name: 't', partitions: 1, replicationFactor: 1, configs }]);
  const writer = await broker.openWriter();
  for (const value of ['a', 'b', 'c']) await writer.append([appendOf('t', 0, [value])]);
  await broker.close();
  const files = new ClassicLevel(dataDir);
  await files.open();
  for await (const key of files.keys({ gte: 'b/1/0/', lt: 'b/1/0/g' })) {
    if (key.endsWith('1')) await files.del(key);
  }
  await files.close();
  const damaged = await opened();
  const reader = damaged.openReader({ topic: 't', partition: 0 }, 0);
  expect(await codeOf(reader.read({ rowsMax: 10, waitMsMax: 0 }))).toBe('MEANSTREAM_FATAL');
  await damaged.close();
});

it('hands out no committed offset of which a bit was flipped on disk, nor opens such a folder at all', async () => {
  const at = { topic: 't', partition: 0 };
  const offset = 1_234_567;
  const broker = await opened();
  await broker.createTopics([{ name: 't', partitions: 1, replicationFactor: 1, configs: {} }]);
  const writer = await broker.openTransactionalWriter('w');
  await writer.commit({ appends: [], group, offsets: [{ ...at, offset, metadata: '' }] });
  await broker.close();
  await (await opened()).close(); // opening moves LevelDB's log into a table
  const tables = (await readdir(dataDir)).filter((name) => name.endsWith('.ldb'));
  let flipped = 0;
  for (const name of tables) {
    const whole = await readFile(join(dataDir, name));
    const place = whole.indexOf(String(offset));
    if (place < 0) continue;
    flipped += 1;
    const damaged = Buffer.from(whole);
    damaged[place]! ^= 2; // 3,234,567
    await writeFile(join(dataDir, name), damaged);
    const refused = new EmbeddedBroker({ dataDir, clock: systemClock, logger: silentLogger });
    await expect(refused.connect()).rejects.toMatchObject({
      code: 'MEANSTREAM_FATAL',
      message: expect.stringContaining(name),
    });
    await refused.close();
    await writeFile(join(dataDir, name), whole);
  }
  expect(flipped).toBeGreaterThan(0);
  const restored = await opened();
  expect(await restored.committedOffsets(group, [at])).toMatchObject([{ offset }]);
  await restored.close();
});

it('refuses a folder that another process holds, and says so', async () => {
  const running = await start(1);
  const broker = new EmbeddedBroker({ dataDir, clock: systemClock, logger: silentLogger });
  const failure: Error = await broker.connect().then(
    () => new Error('it opened'),
    (error) => error,
  );
  expect(failure).toMatchObject({ code: 'MEANSTREAM_DEPENDENCY_DOWN' });
  expect(failure.message).toContain('Another process holds');
  await broker.close();
  await running.kill();
  const next = await opened();
  expect(await codeOf(next.listOffsets(input))).toBe('none');
  await next.close();
});
