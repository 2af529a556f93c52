// Plain appends: what goes in comes out, byte for byte, at offsets that rise without gaps.

import { expect, it } from 'vitest';
import {
  appendOf,
  baseTimeMs,
  bytes,
  codeOf,
  columns,
  newTopic,
  type Row,
  readCount,
  readRows,
  readValues,
  row,
  type SharedBroker,
  textOf,
} from './contract-fixtures.ts';

const oddRows: Row[] = [
  row('plain', { key: bytes('key') }),
  row('no key', { key: null }),
  row(null, { key: bytes('tombstone') }),
  row('', { key: bytes('empty value') }),
  row('empty key', { key: new Uint8Array(0) }),
  row('four zero bytes', { key: new Uint8Array(4) }),
  row(
    Uint8Array.from({ length: 256 }, (_, i) => i),
    { key: Uint8Array.of(0xff, 0xfe, 0) },
  ),
  row('one second later', { timestamp: baseTimeMs + 1000 }),
  row('earlier', { timestamp: baseTimeMs - 5000 }),
  row('with headers', {
    headers: [
      { key: 'content-type', value: bytes('application/json') },
      { key: 'empty', value: new Uint8Array(0) },
      { key: 'null', value: null },
      { key: 'content-type', value: bytes('twice, ü') },
    ],
  }),
  row(null, { key: null }),
];

export function writerCases(shared: SharedBroker): void {
  it('gives back every kind of record byte for byte', async () => {
    const broker = shared();
    const topic = await newTopic(broker);
    const writer = await broker.openWriter();
    const at = await writer.append([{ topic, partition: 0, records: columns(oddRows) }]);
    await writer.close();
    expect(at).toEqual([{ topic, partition: 0, baseOffset: 0 }]);
    const read = await readRows(broker, { topic, partition: 0 }, oddRows.length);
    expect(read).toEqual(oddRows.map((odd, offset) => ({ ...odd, offset })));
  });

  it('keeps what it was given when the caller reuses its arena', async () => {
    const broker = shared();
    const topic = await newTopic(broker);
    const writer = await broker.openWriter();
    const records = columns([row('first')]);
    await writer.append([{ topic, partition: 0, records }]);
    records.bytes.fill(0);
    await writer.close();
    expect(await readValues(broker, { topic, partition: 0 }, 1)).toEqual(['first']);
  });

  it('gives offsets that rise without gaps, per partition, in the order of the appends', async () => {
    const broker = shared();
    const topic = await newTopic(broker, 2);
    const writer = await broker.openWriter();
    const first = await writer.append([
      appendOf(topic, 1, ['a', 'b']),
      appendOf(topic, 0, ['c']),
      appendOf(topic, 1, ['d']),
    ]);
    const second = await writer.append([appendOf(topic, 0, ['e']), appendOf(topic, 1, ['f'])]);
    await writer.close();
    expect(first.map(({ partition, baseOffset }) => [partition, baseOffset])).toEqual([
      [1, 0],
      [0, 0],
      [1, 2],
    ]);
    expect(second.map(({ partition, baseOffset }) => [partition, baseOffset])).toEqual([
      [0, 1],
      [1, 3],
    ]);
    expect(await readValues(broker, { topic, partition: 0 }, 2)).toEqual(['c', 'e']);
    expect(await readValues(broker, { topic, partition: 1 }, 4)).toEqual(['a', 'b', 'd', 'f']);
    expect(await broker.listOffsets(topic)).toEqual([
      { partition: 0, logStart: 0, end: 2 },
      { partition: 1, logStart: 0, end: 4 },
    ]);
  });

  it('reads many rows in order, never more than asked for at a time', async () => {
    const broker = shared();
    const topic = await newTopic(broker);
    const writer = await broker.openWriter();
    const total = 30_000;
    const rows = Array.from({ length: total }, (_, i) => row(`value ${i}`, { key: bytes(`${i}`) }));
    await writer.append([{ topic, partition: 0, records: columns(rows.slice(0, 20_000)) }]);
    await writer.append([{ topic, partition: 0, records: columns(rows.slice(20_000)) }]);
    await writer.close();
    const reader = broker.openReader({ topic, partition: 0 }, 0);
    let next = 0;
    while (next < total) {
      const batch = await reader.read({ rowsMax: 777, waitMsMax: 5000 });
      expect(batch.n).toBeGreaterThan(0);
      expect(batch.n).toBeLessThanOrEqual(777);
      for (let i = 0; i < batch.n; i++) {
        const value = batch.bytes.subarray(batch.valueStarts[i], batch.valueEnds[i]);
        if (batch.offsets[i] !== next || textOf(value) !== `value ${next}`) {
          expect.fail(`row ${next} is "${textOf(value)}" at offset ${batch.offsets[i]}`);
        }
        next += 1;
      }
      expect(batch.nextOffset).toBe(next);
      expect(reader.position).toBe(next);
    }
    await reader.close();
  });

  it('splits an append that is larger than one log batch may be', async () => {
    const broker = shared();
    const topic = await newTopic(broker, 1, { 'max.message.bytes': '16384' });
    const writer = await broker.openWriter();
    const rows = Array.from({ length: 200 }, (_, i) => row(`${i}`.padEnd(1000, '.')));
    const [at] = await writer.append([{ topic, partition: 0, records: columns(rows) }]);
    await writer.close();
    expect(at?.baseOffset).toBe(0);
    const reader = broker.openReader({ topic, partition: 0 }, 0);
    const read = await readCount(reader, 200);
    await reader.close();
    expect(read.map(({ offset }) => offset)).toEqual(rows.map((_, i) => i));
    expect(read.map(({ value }) => value)).toEqual(rows.map(({ value }) => value));
  });

  it('refuses a record larger than the topic accepts, keeps nothing of it, and goes on', async () => {
    const broker = shared();
    const topic = await newTopic(broker, 1, { 'max.message.bytes': '16384' });
    const writer = await broker.openWriter();
    const records = columns([row(new Uint8Array(20_000).map((_, i) => (i * 7919) >> 3))]);
    expect(await codeOf(writer.append([{ topic, partition: 0, records }]))).toBe(
      'MEANSTREAM_RECORD_TOO_LARGE',
    );
    expect((await broker.listOffsets(topic))[0]?.end).toBe(0);
    await writer.append([appendOf(topic, 0, ['fits'])]);
    await writer.close();
    expect(await readValues(broker, { topic, partition: 0 }, 1)).toEqual(['fits']);
  });

  it('lets several writers share a partition', async () => {
    const broker = shared();
    const topic = await newTopic(broker);
    const writers = await Promise.all([broker.openWriter(), broker.openWriter()]);
    const values = Array.from({ length: 20 }, (_, i) => `v${i}`);
    const at = await Promise.all(
      values.map(async (value, i) => {
        const [appended] = await writers[i % 2]!.append([appendOf(topic, 0, [value])]);
        return { value, offset: appended!.baseOffset };
      }),
    );
    await Promise.all(writers.map((writer) => writer.close()));
    const read = await readRows(broker, { topic, partition: 0 }, 20);
    const found = read.map(({ value, offset }) => ({ value: textOf(value), offset }));
    expect(found).toEqual(at.sort((a, b) => a.offset - b.offset));
  });
}
