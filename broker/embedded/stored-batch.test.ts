import { expect, it } from 'vitest';
import { bytes, columns, row, rowsOf } from '../testing/contract-fixtures.ts';
import { ColumnBuffer } from './column-buffer.ts';
import { encodeBatches, openStored, recordSize } from './stored-batch.ts';

const at = { topic: 't', partition: 0 };
const refuse = (): never => expect.fail('no record is too large here');
const rows = Array.from({ length: 100 }, (_, i) =>
  row(i % 5 === 0 ? null : `value ${i}`, {
    key: i % 3 === 0 ? null : bytes(`key ${i}`),
    timestamp: i,
    headers: i % 7 === 0 ? [{ key: `h${i}`, value: i % 2 === 0 ? null : bytes('ü') }] : [],
  }),
);

function encode(bytesMax: number, records = columns(rows)) {
  return encodeBatches(records, { bytesMax, nowMs: 5, tooLarge: refuse });
}

it('finds any changed byte', () => {
  const [batch] = encode(1_000_000);
  for (let i = 0; i < batch!.bytes.length; i += 13) {
    const damaged = batch!.bytes.slice();
    damaged[i]! ^= 1;
    expect(() => openStored(damaged, 0, 't-0')).toThrow(/checksum/);
  }
  expect(() => openStored(batch!.bytes.subarray(0, 10), 0, 't-0')).toThrow(/checksum/);
});

it('gives the same rows whatever the limit of a batch and the number of rows read at once', () => {
  const expected = rows.map((one, i) => ({ ...one, offset: 1000 + i }));
  for (const bytesMax of [150, 400, 1_000_000]) {
    for (const rowsMax of [1, 7, 1000]) {
      const buffer = new ColumnBuffer(at);
      const read = [];
      let base = 1000;
      for (const encoded of encode(bytesMax)) {
        expect(encoded.bytes.length).toBeLessThanOrEqual(bytesMax);
        // Memory from elsewhere is not aligned.
        const moved = new Uint8Array(encoded.bytes.length + 3).subarray(3);
        moved.set(encoded.bytes);
        const stored = openStored(moved, base, 't-0');
        let next = base;
        for (let whole = false; !whole; ) {
          buffer.clear(next);
          whole = buffer.take(stored, rowsMax);
          next = buffer.nextOffset;
          read.push(...rowsOf(buffer));
        }
        base += encoded.rows;
        expect(next).toBe(base);
      }
      expect(read).toEqual(expected);
    }
  }
});

it('gathers rows that lie scattered in their arena', () => {
  const records = columns([row('one', { key: bytes('1') }), row('two', { key: bytes('2') })]);
  const swapped = {
    ...records,
    n: 2,
    bytes: records.bytes,
    keyStarts: records.keyStarts.slice(0, 2).reverse(),
    keyEnds: records.keyEnds.slice(0, 2).reverse(),
    valueStarts: records.valueStarts.slice(0, 2).reverse(),
    valueEnds: records.valueEnds.slice(0, 2).reverse(),
    timestamps: records.timestamps,
    headers: new Map(),
  };
  const [encoded] = encode(10_000, swapped);
  const buffer = new ColumnBuffer(at);
  buffer.clear(0);
  buffer.take(openStored(encoded!.bytes, 0, 't-0'), 10);
  expect(rowsOf(buffer).map(({ value }) => value)).toEqual([bytes('two'), bytes('one')]);
});

it('counts key, value and headers of a record against the limit', () => {
  const records = columns([row('12345', { key: bytes('123') })]);
  expect(recordSize(records, 0)).toBe(16 + 8);
});
