// A transaction that was begun ahead of its commit is the same transaction: whatever it was begun for, it holds what is
// committed, and what was begun and never committed holds up nobody.

import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { silentLogger, systemClock } from '../../support/index.ts';
import { titleWith } from '../../test/support/kafka-cluster.ts';
import type { Transaction } from '../broker.ts';
import {
  appendOf,
  codeOf,
  newTopic,
  readValues,
  uniqueName,
} from '../testing/contract-fixtures.ts';
import { KafkaBroker } from './index.ts';

const kafka = inject('kafka');

describe.skipIf('unavailable' in kafka)(titleWith(kafka, 'a transaction begun ahead'), () => {
  const broker = new KafkaBroker({
    bootstrapServers: 'unavailable' in kafka ? '' : kafka.bootstrapServers,
    clientId: 'begun-transactions-test',
    clock: systemClock,
    logger: silentLogger,
    transactionTimeoutMs: 2_000,
  });
  beforeAll(() => broker.connect());
  afterAll(() => broker.close());

  const transaction = (topic: string, group: string, values: string[], offset: number) => ({
    appends: values.map((value, partition) => appendOf(topic, partition, [value])),
    group,
    offsets: [{ topic, partition: 0, offset, metadata: '' }],
  });
  const empty = (group: string): Transaction => ({ appends: [], group, offsets: [] });
  const offsetOf = async (topic: string, group: string) =>
    (await broker.committedOffsets(group, [{ topic, partition: 0 }]))[0]?.offset;

  test('holds what is committed, be it of fewer, the same or more partitions than the last', async () => {
    const [topic, group] = [await newTopic(broker, 3), uniqueName('group')];
    const other = uniqueName('group');
    const writer = await broker.openTransactionalWriter(uniqueName('tx'));
    writer.begin!();
    const steps: [string[], string][] = [
      [['a', 'b'], group],
      [['c', 'd'], group],
      [['e'], group],
      [['f', 'g', 'h'], group],
      [[], other],
      [['i'], group],
    ];
    for (const [at, [values, of]] of steps.entries()) {
      writer.begin!();
      writer.begin!();
      await writer.commit(transaction(topic, of, values, at + 1));
    }
    expect(await readValues(broker, { topic, partition: 0 }, 5)).toEqual(['a', 'c', 'e', 'f', 'i']);
    expect(await readValues(broker, { topic, partition: 1 }, 3)).toEqual(['b', 'd', 'g']);
    expect(await readValues(broker, { topic, partition: 2 }, 1)).toEqual(['h']);
    expect([await offsetOf(topic, group), await offsetOf(topic, other)]).toEqual([6, 5]);
    await writer.close();
  });

  test('is ended by a commit of nothing, and does not run into the timeout', async () => {
    const [topic, group] = [await newTopic(broker), uniqueName('group')];
    const writer = await broker.openTransactionalWriter(uniqueName('tx'));
    await writer.commit(transaction(topic, group, ['a'], 1));
    writer.begin!();
    await writer.commit(empty(group));
    await systemClock.sleep(3_000);
    await writer.commit(transaction(topic, group, ['b'], 2));
    expect(await readValues(broker, { topic, partition: 0 }, 2)).toEqual(['a', 'b']);
    await writer.close();
  });

  test('outlives a commit that was refused before anything was sent', async () => {
    const [topic, group] = [await newTopic(broker), uniqueName('group')];
    const writer = await broker.openTransactionalWriter(uniqueName('tx'));
    await writer.commit(transaction(topic, group, ['a'], 1));
    writer.begin!();
    const large = transaction(topic, group, ['x'.repeat(2_000_000)], 2);
    expect(await codeOf(writer.commit(large))).toBe('MEANSTREAM_RECORD_TOO_LARGE');
    await writer.commit(transaction(topic, group, ['b'], 2));
    expect(await readValues(broker, { topic, partition: 0 }, 2)).toEqual(['a', 'b']);
    await writer.close();
  });

  test('and never committed is ended by the next owner, and fences the old one as ever', async () => {
    const [topic, group, id] = [await newTopic(broker), uniqueName('group'), uniqueName('tx')];
    const older = await broker.openTransactionalWriter(id);
    await older.commit(transaction(topic, group, ['a'], 1));
    older.begin!();
    const newer = await broker.openTransactionalWriter(id);
    await newer.commit(transaction(topic, group, ['b'], 2));
    expect(await codeOf(older.commit(transaction(topic, group, ['never'], 9)))).toBe(
      'MEANSTREAM_TASK_MIGRATED',
    );
    newer.begin!();
    await newer.close();
    const newest = await broker.openTransactionalWriter(id);
    await newest.commit(transaction(topic, group, ['c'], 3));
    expect(await readValues(broker, { topic, partition: 0 }, 3)).toEqual(['a', 'b', 'c']);
    expect(await offsetOf(topic, group)).toBe(3);
    await newest.close();
  });

  test('that outlives its timeout is fenced, and nothing of it is seen', async () => {
    const [topic, group] = [await newTopic(broker), uniqueName('group')];
    const id = uniqueName('tx');
    const writer = await broker.openTransactionalWriter(id);
    await writer.commit(transaction(topic, group, ['a'], 1));
    writer.begin!();
    // Kafka looks for transactions that are too old every ten seconds.
    await systemClock.sleep(15_000);
    expect(await codeOf(writer.commit(transaction(topic, group, ['never'], 2)))).toBe(
      'MEANSTREAM_TASK_MIGRATED',
    );
    const next = await broker.openTransactionalWriter(id);
    await next.commit(transaction(topic, group, ['b'], 2));
    expect(await readValues(broker, { topic, partition: 0 }, 2)).toEqual(['a', 'b']);
    await next.close();
  }, 60_000);
});
