// What was sent ahead of a commit is part of it: seen with it and in its order, and gone when it fails.

import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { silentLogger, systemClock } from '../../support/index.ts';
import { titleWith } from '../../test/support/kafka-cluster.ts';
import { until } from '../../test/support/until.ts';
import type { Append, TransactionalWriter } from '../broker.ts';
import {
  appendOf,
  codeOf,
  newTopic,
  readValues,
  uniqueName,
} from '../testing/contract-fixtures.ts';
import { KafkaBroker } from './index.ts';

const kafka = inject('kafka');
const bootstrapServers = 'unavailable' in kafka ? '' : kafka.bootstrapServers;

describe.skipIf('unavailable' in kafka)(titleWith(kafka, 'rows sent ahead of a commit'), () => {
  const broker = new KafkaBroker({
    ...{ bootstrapServers, clientId: 'ahead-of-commit-test' },
    ...{ clock: systemClock, logger: silentLogger },
  });
  beforeAll(() => broker.connect());
  afterAll(() => broker.close());

  const transaction = (topic: string, group: string, values: string[], offset: number) => ({
    appends: values.length > 0 ? [appendOf(topic, 0, values)] : [],
    group,
    offsets: [{ topic, partition: 0, offset, metadata: '' }],
  });
  const offsetOf = async (topic: string, group: string) =>
    (await broker.committedOffsets(group, [{ topic, partition: 0 }]))[0]?.offset;
  const valuesOf = (topic: string, count: number) =>
    readValues(broker, { topic, partition: 0 }, count);

  /** Offered until it is taken: one sending is under way at a time. */
  async function send(writer: TransactionalWriter, appends: readonly Append[]): Promise<void> {
    await until('rows are taken ahead', () => writer.send!(appends) !== undefined);
  }

  /** A writer that knows its topic, which has one row. */
  async function started() {
    const [topic, group, id] = [await newTopic(broker, 2), uniqueName('group'), uniqueName('tx')];
    const writer = await broker.openTransactionalWriter(id);
    await writer.commit(transaction(topic, group, ['a'], 1));
    return { topic, group, id, writer };
  }

  test('are not taken before the limits of their topic are known, nor while others are under way', async () => {
    const topic = await newTopic(broker);
    const writer = await broker.openTransactionalWriter(uniqueName('tx'));
    expect(writer.send!([appendOf(topic, 0, ['a'])])).toBeUndefined();
    await writer.commit(transaction(topic, uniqueName('group'), ['a'], 1));
    const taken = [1, 2].map(() => writer.send!([appendOf(topic, 0, ['b'])]));
    expect(taken[0]).toBeInstanceOf(Promise);
    expect(taken[1]).toBeUndefined();
    await taken[0];
    expect(writer.send!([appendOf(topic, 0, ['c'])])).toBeInstanceOf(Promise);
    await writer.close();
  });

  test('come before the rows of the commit, and are seen with them only', async () => {
    const { topic, group, writer } = await started();
    await send(writer, [appendOf(topic, 0, ['b', 'c'])]);
    await send(writer, [appendOf(topic, 0, ['d']), appendOf(topic, 1, ['z'])]);
    await systemClock.sleep(200);
    expect(await valuesOf(topic, 1)).toEqual(['a']);
    const appended = await writer.commit(transaction(topic, group, ['e'], 6));
    // Offsets 0 and 1 are the first row and its commit marker.
    expect(appended).toEqual([{ topic, partition: 0, baseOffset: 5 }]);
    expect(await valuesOf(topic, 5)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(await readValues(broker, { topic, partition: 1 }, 1)).toEqual(['z']);
    expect(await offsetOf(topic, group)).toBe(6);
    await writer.close();
  });

  test('may be all there is, after a transaction begun ahead or not', async () => {
    const { topic, group, writer } = await started();
    await send(writer, [appendOf(topic, 0, ['b'])]);
    await writer.commit(transaction(topic, group, [], 2));
    writer.begin!();
    await send(writer, [appendOf(topic, 0, ['c'])]);
    await writer.commit(transaction(topic, group, [], 3));
    await send(writer, [appendOf(topic, 0, ['d'])]);
    await writer.commit({ appends: [], group, offsets: [] });
    expect(await valuesOf(topic, 4)).toEqual(['a', 'b', 'c', 'd']);
    expect(await offsetOf(topic, group)).toBe(3);
    await writer.close();
  });

  test('are gone when their commit never comes, and the next owner goes on', async () => {
    const { topic, group, id, writer } = await started();
    await send(writer, [appendOf(topic, 0, ['never'])]);
    const newer = await broker.openTransactionalWriter(id);
    expect(await codeOf(writer.commit(transaction(topic, group, ['nor'], 9)))).toBe(
      'MEANSTREAM_TASK_MIGRATED',
    );
    await newer.commit(transaction(topic, group, ['b'], 2));
    expect(await valuesOf(topic, 2)).toEqual(['a', 'b']);
    expect(await offsetOf(topic, group)).toBe(2);
    await newer.close();
  });

  test('are taken back when a row of their commit is too large, and the writer lives on', async () => {
    const { topic, group, writer } = await started();
    await send(writer, [appendOf(topic, 0, ['never'])]);
    const large = transaction(topic, group, ['x'.repeat(2_000_000)], 9);
    expect(await codeOf(writer.commit(large))).toBe('MEANSTREAM_RECORD_TOO_LARGE');
    await send(writer, [appendOf(topic, 0, ['b'])]);
    await writer.commit(transaction(topic, group, ['c'], 3));
    expect(await valuesOf(topic, 3)).toEqual(['a', 'b', 'c']);
    await writer.close();
  });

  test('are taken back when Kafka finds them too large, and the commit says so', async () => {
    const { topic, group, writer } = await started();
    const admin = new Kafka({ brokers: [bootstrapServers], logLevel: logLevel.NOTHING }).admin();
    const configEntries = [{ name: 'max.message.bytes', value: '5000' }];
    const resources = [{ type: 2, name: topic, configEntries }];
    await admin.alterConfigs({ validateOnly: false, resources });
    await admin.disconnect();
    await send(writer, [appendOf(topic, 0, ['x'.repeat(20_000)])]);
    const commit = writer.commit(transaction(topic, group, ['never'], 9));
    expect(await codeOf(commit)).toBe('MEANSTREAM_RECORD_TOO_LARGE');
    await writer.commit(transaction(topic, group, ['b'], 2));
    expect(await valuesOf(topic, 2)).toEqual(['a', 'b']);
    expect(await offsetOf(topic, group)).toBe(2);
    await writer.close();
  });

  test('stand at least once before the offsets move', async () => {
    const [topic, group] = [await newTopic(broker), uniqueName('group')];
    const member = await broker.joinGroup({
      ...{ group, instanceId: uniqueName('member'), sessionTimeoutMs: 10_000 },
      ...{ taskGroups: [{ id: 'assign', topics: [topic] }], onAssignment: () => {} },
    });
    const writer = await broker.openTransactionalWriter(uniqueName('tx'), 'at_least_once');
    await writer.commit(transaction(topic, group, ['a'], 1));
    await send(writer, [appendOf(topic, 0, ['b'])]);
    expect(await valuesOf(topic, 2)).toEqual(['a', 'b']);
    expect(await offsetOf(topic, group)).toBe(1);
    await writer.commit(transaction(topic, group, ['c'], 3));
    expect(await valuesOf(topic, 3)).toEqual(['a', 'b', 'c']);
    expect(await offsetOf(topic, group)).toBe(3);
    await member.leave();
    await writer.close();
  });
});
