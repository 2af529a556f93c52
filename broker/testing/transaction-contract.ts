// Transactions: appends and consumed offsets, all or nothing, one living writer per transactional id.

import { expect, it } from 'vitest';
import type { Broker, CommittedOffset } from '../broker.ts';
import {
  appendOf,
  codeOf,
  columns,
  newTopic,
  readRows,
  readValues,
  row,
  type SharedBroker,
  textOf,
  uniqueName,
} from './contract-fixtures.ts';

const consumed = (topic: string, partition: number, offset: number, metadata = '') => ({
  topic,
  partition,
  offset,
  metadata,
});

async function committed(
  broker: Broker,
  group: string,
  topic: string,
  partitions: readonly number[],
): Promise<CommittedOffset[]> {
  const asked = partitions.map((partition) => ({ topic, partition }));
  const found = await broker.committedOffsets(group, asked);
  return [...found].sort((a, b) => a.partition - b.partition);
}

export function transactionCases(shared: SharedBroker): void {
  it('commits appends to several topics together with consumed offsets', async () => {
    const broker = shared();
    const [input, first, second] = [
      await newTopic(broker, 3),
      await newTopic(broker, 2),
      await newTopic(broker),
    ];
    const group = uniqueName('group');
    const writer = await broker.openTransactionalWriter(uniqueName('tx'));
    expect(await committed(broker, group, input, [0, 1, 2])).toEqual([]);
    const at = await writer.commit({
      appends: [appendOf(first, 1, ['a', 'b']), appendOf(second, 0, ['c'])],
      group,
      offsets: [consumed(input, 0, 7, 'stream time 5, ü'), consumed(input, 2, 1)],
    });
    expect(at).toEqual([
      { topic: first, partition: 1, baseOffset: 0 },
      { topic: second, partition: 0, baseOffset: 0 },
    ]);
    expect(await committed(broker, group, input, [0, 1, 2])).toEqual([
      consumed(input, 0, 7, 'stream time 5, ü'),
      consumed(input, 2, 1),
    ]);
    expect(await committed(broker, uniqueName('group'), input, [0])).toEqual([]);
    expect(await readValues(broker, { topic: first, partition: 1 }, 2)).toEqual(['a', 'b']);
    expect(await readValues(broker, { topic: second, partition: 0 }, 1)).toEqual(['c']);
    await writer.close();
  });

  it('tells the offsets its records got, transaction after transaction', async () => {
    const broker = shared();
    const topic = await newTopic(broker);
    const writer = await broker.openTransactionalWriter(uniqueName('tx'));
    const told: number[] = [];
    for (let i = 0; i < 5; i++) {
      const appends = [appendOf(topic, 0, [`${i}a`, `${i}b`])];
      const [at] = await writer.commit({ appends, group: 'unused', offsets: [] });
      told.push(at!.baseOffset, at!.baseOffset + 1);
    }
    await writer.close();
    const rows = await readRows(broker, { topic, partition: 0 }, 10);
    expect(rows.map(({ offset }) => offset)).toEqual(told);
    expect(rows.map(({ value }) => textOf(value)).slice(0, 4)).toEqual(['0a', '0b', '1a', '1b']);
  });

  it('moves offsets without appends, and to a lower offset when told so', async () => {
    const broker = shared();
    const input = await newTopic(broker);
    const group = uniqueName('group');
    const writer = await broker.openTransactionalWriter(uniqueName('tx'));
    await writer.commit({ appends: [], group, offsets: [consumed(input, 0, 9, 'nine')] });
    expect(await committed(broker, group, input, [0])).toEqual([consumed(input, 0, 9, 'nine')]);
    await writer.commit({ appends: [], group, offsets: [consumed(input, 0, 4)] });
    expect(await committed(broker, group, input, [0])).toEqual([consumed(input, 0, 4)]);
    await writer.close();
  });

  it('fences the older writer of a transactional id, and nothing of its commit is visible', async () => {
    const broker = shared();
    const topic = await newTopic(broker);
    const group = uniqueName('group');
    const id = uniqueName('tx');
    const older = await broker.openTransactionalWriter(id);
    const offsets = [consumed(topic, 0, 1)];
    await older.commit({ appends: [appendOf(topic, 0, ['by the older'])], group, offsets });
    const newer = await broker.openTransactionalWriter(id);
    expect(newer.transactionalId).toBe(id);
    const fenced = older.commit({
      appends: [appendOf(topic, 0, ['by the fenced'])],
      group,
      offsets: [consumed(topic, 0, 2)],
    });
    expect(await codeOf(fenced)).toBe('MEANSTREAM_TASK_MIGRATED');
    expect(await committed(broker, group, topic, [0])).toEqual([consumed(topic, 0, 1)]);
    await newer.commit({ appends: [appendOf(topic, 0, ['by the newer'])], group, offsets: [] });
    expect(await readValues(broker, { topic, partition: 0 }, 2)).toEqual([
      'by the older',
      'by the newer',
    ]);
    await older.close();
    await newer.commit({ appends: [appendOf(topic, 0, ['still'])], group, offsets: [] });
    await newer.close();
  });

  it('lets writers of different transactional ids work side by side', async () => {
    const broker = shared();
    const topic = await newTopic(broker, 4);
    const writers = await Promise.all(
      [0, 1, 2, 3].map(() => broker.openTransactionalWriter(uniqueName('tx'))),
    );
    const group = uniqueName('group');
    for (let round = 0; round < 3; round++) {
      await Promise.all(
        writers.map((writer, partition) =>
          writer.commit({
            appends: [appendOf(topic, partition, [`${partition}.${round}`])],
            group,
            offsets: [consumed(topic, partition, round + 1)],
          }),
        ),
      );
    }
    for (const partition of [0, 1, 2, 3]) {
      const values = await readValues(broker, { topic, partition }, 3);
      expect(values).toEqual([0, 1, 2].map((round) => `${partition}.${round}`));
    }
    const positions = await committed(broker, group, topic, [0, 1, 2, 3]);
    expect(positions.map(({ offset }) => offset)).toEqual([3, 3, 3, 3]);
    await Promise.all(writers.map((writer) => writer.close()));
  });

  it('applies nothing of a transaction with a record that is too large, and goes on', async () => {
    const broker = shared();
    const small = await newTopic(broker, 1, { 'max.message.bytes': '16384' });
    const other = await newTopic(broker);
    const group = uniqueName('group');
    const writer = await broker.openTransactionalWriter(uniqueName('tx'));
    const large = row(new Uint8Array(20_000).map((_, i) => (i * 7919) >> 3));
    const refused = writer.commit({
      appends: [
        appendOf(other, 0, ['with it']),
        { topic: small, partition: 0, records: columns([row('before it'), large]) },
      ],
      group,
      offsets: [consumed(other, 0, 5)],
    });
    expect(await codeOf(refused)).toBe('MEANSTREAM_RECORD_TOO_LARGE');
    expect(await committed(broker, group, other, [0])).toEqual([]);
    const next = { appends: [appendOf(small, 0, ['s']), appendOf(other, 0, ['o'])], group };
    await writer.commit({ ...next, offsets: [] });
    expect(await readValues(broker, { topic: small, partition: 0 }, 1)).toEqual(['s']);
    expect(await readValues(broker, { topic: other, partition: 0 }, 1)).toEqual(['o']);
    await writer.close();
  });

  it('splits a large append inside the transaction', async () => {
    const broker = shared();
    const topic = await newTopic(broker, 1, { 'max.message.bytes': '16384' });
    const writer = await broker.openTransactionalWriter(uniqueName('tx'));
    const values = Array.from({ length: 150 }, (_, i) => `${i}`.padEnd(1000, '-'));
    await writer.commit({ appends: [appendOf(topic, 0, values)], group: 'unused', offsets: [] });
    await writer.close();
    expect(await readValues(broker, { topic, partition: 0 }, 150)).toEqual(values);
  });
}
