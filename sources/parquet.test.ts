// testing/mixed.parquet is of pyarrow 26: 10 rows in groups of 4, snappy, dictionaries; columns id (text), x (FLOAT), tags (list),
// y (DOUBLE, null in rows 1 and 7), level (FLOAT, two values), count (INT32).
//
// testing/pages-1.parquet and pages-2.parquet are too: 300 rows in groups of 200, 18 columns of numbers in pages of 64 rows, FLOAT and DOUBLE
// in turns, some without nulls though they may have some, some with, some that may not; plain, by dictionary or with their bytes
// split. The first has pages of version 1, snappy; the second of version 2, not compressed.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { afterAll, expect, it } from 'vitest';
import { openParquet } from './index.ts';

const mixed = join(import.meta.dirname, 'testing/mixed.parquet');
const folder = mkdtempSync(join(tmpdir(), 'parquet-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const rowOf = (i: number) => [
  i + 0.25,
  i === 1 || i === 7 ? Number.NaN : Math.fround((0 - i) / 3),
  i % 2,
];

it('reads the columns of numbers as rows, a row group at a time', async () => {
  const { features, groupRows, read } = await openParquet(mixed);
  expect(features).toEqual(['x', 'y', 'level']);
  expect(groupRows).toEqual([4, 4, 2]);
  const rows: number[] = [];
  for (const group of groupRows.keys()) rows.push(...(await read(group)));
  expect(rows).toEqual(Array.from({ length: 10 }, (_, i) => rowOf(i)).flat());
});

it('reads groups in any order, into memory it is given', async () => {
  const { read } = await openParquet(mixed);
  const out = new Float32Array(12);
  expect([...(await read(2, out))]).toEqual([...rowOf(8), ...rowOf(9)]);
  expect((await read(0, out)).buffer).toBe(out.buffer);
  expect([...out]).toEqual([0, 1, 2, 3].flatMap(rowOf));
});

it('reads only the columns asked for, in that order', async () => {
  const { read } = await openParquet(mixed, ['level', 'x']);
  expect([...(await read(2))]).toEqual([0, 8.25, 1, 9.25]);
});

it.each(['pages-1', 'pages-2'])(
  "reads %s to the numbers of hyparquet's own reader",
  async (name) => {
    const path = join(import.meta.dirname, `testing/${name}.parquet`);
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(path) });
    const { features, groupRows, read } = await openParquet(path);
    expect(features).toHaveLength(18);
    const values: number[] = [];
    for (const group of groupRows.keys()) values.push(...(await read(group)));
    const wanted = rows.flatMap((row) =>
      features.map((name) => Math.fround(row[name] ?? Number.NaN)),
    );
    expect(values).toEqual(wanted);
    expect(values.filter(Number.isNaN)).toHaveLength(30);
  },
);

it.each(['tags', 'id', 'count', 'z'])(
  'says that column "%s" is no feature, and which are',
  async (name) => {
    await expect(openParquet(mixed, ['x', name])).rejects.toMatchObject({
      name: 'InvalidSettingError',
      message: expect.stringMatching(new RegExp(`"${name}".* x, y, level`)),
    });
  },
);

it('says that a file is missing, or not Parquet', async () => {
  const path = join(folder, 'points.csv');
  writeFileSync(path, 'a,b\n1,2\n');
  for (const bad of [path, join(folder, 'missing.parquet')]) {
    await expect(openParquet(bad)).rejects.toMatchObject({ name: 'InvalidSettingError' });
  }
});

it('ends with the column and row group where the file is damaged', async () => {
  const path = join(folder, 'damaged.parquet');
  // Behind the magic number lies the first row group.
  writeFileSync(path, Buffer.from(readFileSync(mixed)).fill(0xff, 4, 1_000));
  const { read } = await openParquet(path);
  await expect(read(0)).rejects.toMatchObject({
    name: 'FatalError',
    message: expect.stringContaining('row group 0'),
  });
});
