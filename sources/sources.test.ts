import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { recordKey, recordValue } from '../schemas/index.ts';
import { ManualClock } from '../support/index.ts';
import { type BadLine, openSource, type SourceOptions } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'sources-'));
const clock = new ManualClock();
const examples = join(import.meta.dirname, '../examples/data');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

interface Read {
  readonly features: readonly string[];
  readonly points: [key: string, value: string][];
  readonly badLines: BadLine[];
  readonly chunks: { rows: number; nextLine: number; bytesRead: number }[];
}

async function readAll(path: string, options: Partial<SourceOptions> = {}): Promise<Read> {
  const source = await openSource(path, { clock, ...options });
  const read: Read = { features: source.features, points: [], badLines: [], chunks: [] };
  for await (const { records, badLines, nextLine, bytesRead } of source.chunks()) {
    for (let row = 0; row < records.n; row += 1) {
      read.points.push([text(recordKey(records, row)), text(recordValue(records, row))]);
      expect(records.timestamps[row]).toBe(clock.nowMs());
    }
    read.badLines.push(...badLines);
    read.chunks.push({ rows: records.n, nextLine, bytesRead });
  }
  return read;
}

const text = (bytes: Uint8Array | null): string => Buffer.from(bytes!).toString();

describe('a CSV file', () => {
  it('gives one vector a line, keyed by file and row, and names its features', async () => {
    const path = file('plain.csv', 'a,b\n1,2\n-3.5,4e-7\n');
    expect(await readAll(path)).toMatchObject({
      features: ['a', 'b'],
      points: [
        ['plain-1', '{"vector":[1,2]}'],
        ['plain-2', '{"vector":[-3.5,4e-7]}'],
      ],
      badLines: [],
    });
  });

  it('is read from line 1 when that is numbers, and columns go by number', async () => {
    const path = file('numbers.csv', '7,1,2\n8,3,4');
    expect(await readAll(path, { keyColumn: '1', ignoreColumns: ['3'] })).toMatchObject({
      features: ['2'],
      points: [
        ['7', '{"vector":[1]}'],
        ['8', '{"vector":[3]}'],
      ],
    });
  });

  it('takes quoted cells, another delimiter, CRLF, a byte order mark and blank lines', async () => {
    const path = file('odd.csv', '\uFEFFid;"x;1";y\r\n"a;""b""";1;2\r\n\r\n"";"3";4\r\n');
    expect(await readAll(path, { delimiter: ';', keyColumn: 'id' })).toMatchObject({
      features: ['x;1', 'y'],
      points: [
        ['a;"b"', '{"vector":[1,2]}'],
        ['', '{"vector":[3,4]}'],
      ],
      badLines: [],
    });
  });

  it('turns numbers that are no JSON into JSON without changing them', async () => {
    const path = file('forms.csv', 'a,b,c,d\n+1,.5,007, 1. \n');
    expect((await readAll(path)).points).toEqual([['forms-1', '{"vector":[1,0.5,7,1]}']]);
  });

  it('reports each bad line with its number and goes on', async () => {
    const path = file(
      'bad.csv',
      `a,b\n1,2\n1\n1,2,3\nx,2\n,2\nNaN,1\n1e400,1\n0x1f,1\n"1,2\n"1"x,2\n1,"${'9'.repeat(2 ** 20)}"\n5,6\n`,
    );
    const { points, badLines } = await readAll(path);
    expect(points.map(([key]) => key)).toEqual(['bad-1', 'bad-12']);
    expect(badLines.map(({ line }) => line)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(badLines[2]).toEqual({ line: 5, reason: 'has "x" in column a, which is no number' });
  });

  it('goes on from any line it was left at, with the same keys', async () => {
    const lines = Array.from({ length: 95 }, (_, at) => (at % 10 === 7 ? 'bad,line' : `${at},1`));
    const path = file('resumed.csv.gz', gzipSync(`x,y\n${lines.join('\n')}\n`));
    const whole = await readAll(path, { chunkLinesMax: 20 });
    expect(whole.chunks.map(({ nextLine }) => nextLine)).toEqual([22, 42, 62, 82, 97]);
    for (const { nextLine } of whole.chunks) {
      const rest = await readAll(path, { fromLine: nextLine });
      const taken = whole.points.length - rest.points.length;
      expect(rest.points).toEqual(whole.points.slice(taken));
      expect(rest.badLines).toEqual(whole.badLines.filter(({ line }) => line >= nextLine));
    }
  });

  it('refuses a file or column that is not there', async () => {
    const path = file('few.csv', 'a,b\n1,2\n');
    const code = { code: 'MEANSTREAM_INVALID_SETTING' };
    await expect(openSource(join(folder, 'none.csv'), { clock })).rejects.toMatchObject(code);
    await expect(openSource(folder, { clock })).rejects.toMatchObject(code);
    await expect(openSource(path, { clock, keyColumn: 'c' })).rejects.toMatchObject(code);
    await expect(openSource(path, { clock, ignoreColumns: ['3'] })).rejects.toMatchObject(code);
    await expect(openSource(path, { clock, ignoreColumns: ['a', 'b'] })).rejects.toMatchObject(
      code,
    );
    await expect(openSource(path, { clock, delimiter: ',,' })).rejects.toMatchObject(code);
  });

  it('says where it stopped when the packed file is cut short', async () => {
    const packed = gzipSync(
      Array.from({ length: 50_000 }, (_, at) => `${at},${at * 7}`).join('\n'),
    );
    const path = file('cut.csv.gz', packed.subarray(0, packed.length >> 1));
    await expect(readAll(path)).rejects.toMatchObject({ code: 'MEANSTREAM_FATAL' });
  });

  it('has no points when it is empty', async () => {
    expect((await readAll(file('empty.csv', ''))).points).toEqual([]);
    expect((await readAll(file('header-only.csv', 'a,b\n'))).points).toEqual([]);
  });
});

describe('an NDJSON file', () => {
  it('takes arrays, points and flat objects of features', async () => {
    const path = file(
      'points.ndjson.gz',
      gzipSync(
        [
          '[1,2.5]',
          '{"key":"k1","vector":[1,2],"weight":2}',
          '{"key":7,"features":{"a":1}}',
          '{"key":"k3","a":1,"b":2,"label":"x"}',
        ].join('\n'),
      ),
    );
    expect(await readAll(path, { ignoreColumns: ['label'] })).toMatchObject({
      points: [
        ['points-1', '{"vector":[1,2.5]}'],
        ['k1', '{"vector":[1,2],"weight":2}'],
        ['7', '{"features":{"a":1}}'],
        ['k3', '{"features":{"a":1,"b":2}}'],
      ],
      badLines: [],
    });
  });

  it('reports bad lines and goes on', async () => {
    const path = file(
      'bad.ndjson',
      '{"vector":[1]}\n{"vector":[1\n5\nnull\n[1,"x"]\n{"a":true}\n{"key":[],"a":1}\n[2]\n',
    );
    const { points, badLines } = await readAll(path);
    expect(points.map(([key]) => key)).toEqual(['bad-1', 'bad-8']);
    expect(badLines.map(({ line }) => line)).toEqual([2, 3, 4, 5, 6, 7]);
    expect(badLines[3]!.reason).toContain('component 2');
  });
});

describe('standard input', () => {
  it('is passed on as it comes, without waiting for a full chunk', async () => {
    async function* typed() {
      yield Buffer.from('1,2\n3,');
      yield Buffer.from('4\n');
    }
    const read = await readAll('-', { standardInput: typed() });
    expect(read.chunks.map(({ rows }) => rows)).toEqual([1, 1]);
    expect(read.points).toEqual([
      ['stdin-1', '{"vector":[1,2]}'],
      ['stdin-2', '{"vector":[3,4]}'],
    ]);
  });
});

describe('the example data', () => {
  it('reads Shuttle whole, with progress up to the file size', async () => {
    const source = await openSource(join(examples, 'shuttle.csv.gz'), {
      clock,
      ignoreColumns: ['anomaly'],
    });
    expect(source.features).toEqual(['f1', 'f2', 'f3', 'f4', 'f5', 'f6', 'f7', 'f8', 'f9']);
    let rows = 0;
    let bytesRead = 0;
    for await (const chunk of source.chunks()) {
      rows += chunk.records.n;
      expect(chunk.badLines).toEqual([]);
      expect(chunk.bytesRead).toBeGreaterThanOrEqual(bytesRead);
      bytesRead = chunk.bytesRead;
    }
    expect(rows).toBe(49_097);
    expect(bytesRead).toBe(source.bytesTotal);
  });

  it('reads Digits, which has no header', async () => {
    const { features, points } = await readAll(join(examples, 'digits.csv.gz'), {
      ignoreColumns: ['65'],
    });
    expect(features).toHaveLength(64);
    expect(points).toHaveLength(1797);
    expect(JSON.parse(points[0]![1]).vector).toHaveLength(64);
  });

  it('lets go of its file when it is closed early', async () => {
    const source = await openSource(join(examples, 'shuttle.csv.gz'), { clock });
    for await (const chunk of source.chunks()) {
      expect(chunk.records.n).toBe(1_000);
      break;
    }
    await source.close();
    const unread = await openSource(join(examples, 'shuttle.csv.gz'), { clock });
    await unread.close();
    await unread.close();
  });
});
