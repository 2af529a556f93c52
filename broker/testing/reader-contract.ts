// Readers: where they begin, how long they wait, what wakes them, and that they always reach the end.

import { expect, it } from 'vitest';
import { until } from '../../test/support/until.ts';
import {
  appendOf,
  codeOf,
  elapsedMs,
  monotonicMs,
  newTopic,
  readCount,
  rowsOf,
  type SharedBroker,
  sleepMs,
  textOf,
  uniqueName,
} from './contract-fixtures.ts';

export function readerCases(shared: SharedBroker): void {
  it('begins where it is told, and seek moves it', async () => {
    const broker = shared();
    const topic = await newTopic(broker);
    const writer = await broker.openWriter();
    await writer.append([appendOf(topic, 0, ['a', 'b', 'c', 'd', 'e'])]);
    await writer.append([appendOf(topic, 0, ['f'])]);
    await writer.close();
    const reader = broker.openReader({ topic, partition: 0 }, 3);
    expect([reader.topic, reader.partition, reader.position]).toEqual([topic, 0, 3]);
    const values = async (count: number) =>
      (await readCount(reader, count)).map(({ value }) => textOf(value));
    expect(await values(3)).toEqual(['d', 'e', 'f']);
    expect(reader.position).toBe(6);
    reader.seek(1);
    expect(reader.position).toBe(1);
    const batch = await reader.read({ rowsMax: 2, waitMsMax: 5000 });
    expect(rowsOf(batch).map(({ value }) => textOf(value))).toEqual(['b', 'c']);
    expect(batch.nextOffset).toBe(3);
    expect(await values(3)).toEqual(['d', 'e', 'f']);
    await reader.close();
  });

  it('says where the log ends once it has heard', async () => {
    const broker = shared();
    const topic = await newTopic(broker);
    const writer = await broker.openWriter();
    await writer.append([appendOf(topic, 0, ['a', 'b', 'c'])]);
    await writer.close();
    const reader = broker.openReader({ topic, partition: 0 }, 0);
    expect(reader.end).toBe(-1);
    await readCount(reader, 3);
    await until('the end is known', async () => {
      await reader.read({ rowsMax: 10, waitMsMax: 50 });
      return reader.end === 3;
    });
    await reader.close();
  });

  it('comes back empty after waiting as long as it was allowed to, and at once when not', async () => {
    const broker = shared();
    const topic = await newTopic(broker);
    const reader = broker.openReader({ topic, partition: 0 }, 0);
    await reader.read({ rowsMax: 10, waitMsMax: 1000 });
    const startMs = monotonicMs();
    expect((await reader.read({ rowsMax: 10, waitMsMax: 400 })).n).toBe(0);
    expect(elapsedMs(startMs)).toBeGreaterThan(300);
    expect(elapsedMs(startMs)).toBeLessThan(5000);
    const againMs = monotonicMs();
    const batch = await reader.read({ rowsMax: 10, waitMsMax: 0 });
    expect(elapsedMs(againMs)).toBeLessThan(2000);
    expect([batch.n, batch.nextOffset, reader.position]).toEqual([0, 0, 0]);
    await reader.close();
  });

  it('is woken by an append', async () => {
    const broker = shared();
    const topic = await newTopic(broker);
    const writer = await broker.openWriter();
    const reader = broker.openReader({ topic, partition: 0 }, 0);
    const startMs = monotonicMs();
    const waiting = reader.read({ rowsMax: 10, waitMsMax: 20_000 });
    await sleepMs(200);
    await writer.append([appendOf(topic, 0, ['now'])]);
    const batch = await waiting;
    expect(rowsOf(batch).map(({ value }) => textOf(value))).toEqual(['now']);
    expect(elapsedMs(startMs)).toBeLessThan(10_000);
    await reader.close();
    await writer.close();
  });

  it('reads one partition as often as there are readers', async () => {
    const broker = shared();
    const topic = await newTopic(broker);
    const writer = await broker.openWriter();
    await writer.append([appendOf(topic, 0, ['a', 'b', 'c'])]);
    await writer.close();
    const readers = [0, 1, 2].map((from) => broker.openReader({ topic, partition: 0 }, from));
    const read = await Promise.all(readers.map((reader, from) => readCount(reader, 3 - from)));
    expect(read.map((rows) => rows.map(({ value }) => textOf(value)).join(''))).toEqual([
      'abc',
      'bc',
      'c',
    ]);
    await Promise.all(readers.map((reader) => reader.close()));
  });

  it('refuses an offset that is not in the log, and goes on after a seek', async () => {
    const broker = shared();
    const topic = await newTopic(broker);
    const writer = await broker.openWriter();
    await writer.append([appendOf(topic, 0, ['a'])]);
    await writer.close();
    const reader = broker.openReader({ topic, partition: 0 }, 1000);
    expect(await codeOf(reader.read({ rowsMax: 10, waitMsMax: 5000 }))).toBe(
      'MEANSTREAM_OFFSET_OUT_OF_RANGE',
    );
    reader.seek(0);
    expect((await readCount(reader, 1)).map(({ value }) => textOf(value))).toEqual(['a']);
    await reader.close();
  });

  it('reaches the end whatever lies between the records', async () => {
    const broker = shared();
    const topic = await newTopic(broker);
    const writer = await broker.openTransactionalWriter(uniqueName('tx'));
    for (const value of ['a', 'b', 'c']) {
      await writer.commit({ appends: [appendOf(topic, 0, [value])], group: 'g', offsets: [] });
    }
    await writer.close();
    const reader = broker.openReader({ topic, partition: 0 }, 0);
    const values: (string | null)[] = [];
    await until('position and end meet, all rows read', async () => {
      const batch = await reader.read({ rowsMax: 10, waitMsMax: 50 });
      values.push(...rowsOf(batch).map(({ value }) => textOf(value)));
      expect(reader.position).toBe(batch.nextOffset);
      const [offsets] = await broker.listOffsets(topic);
      return values.length === 3 && reader.end === offsets!.end && reader.position === reader.end;
    });
    expect(values).toEqual(['a', 'b', 'c']);
    await reader.close();
  });
}
