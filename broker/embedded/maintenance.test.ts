import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ManualClock, silentLogger } from '../../support/index.ts';
import {
  appendOf,
  bytes,
  codeOf,
  columns,
  type ReadRow,
  row,
  rowsOf,
  textOf,
} from '../testing/contract-fixtures.ts';
import { EmbeddedBroker } from './index.ts';

const hourMs = 3_600_000;
let clock: ManualClock;
let dataDir: string;
let broker: EmbeddedBroker;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'meanstream-maintenance-'));
  clock = new ManualClock();
  await open();
});

afterEach(async () => {
  await broker.close();
  await rm(dataDir, { recursive: true, force: true });
});

async function open(): Promise<void> {
  broker = new EmbeddedBroker({ dataDir, clock, logger: silentLogger });
  await broker.connect();
}

async function reopen(): Promise<void> {
  await broker.close();
  await open();
}

async function topic(configs: Record<string, string>): Promise<void> {
  await broker.createTopics([{ name: 't', partitions: 1, replicationFactor: 1, configs }]);
}

async function append(...rows: [key: string | null, value: string | null][]): Promise<void> {
  const writer = await broker.openWriter();
  const records = columns(
    rows.map(([key, value]) =>
      row(value, { key: key === null ? null : bytes(key), timestamp: clock.nowMs() }),
    ),
  );
  await writer.append([{ topic: 't', partition: 0, records }]);
  await writer.close();
}

/** Everything from `from` on; the reader has to arrive at the end. */
async function contents(from = 0, rowsMax = 2): Promise<ReadRow[]> {
  const reader = broker.openReader({ topic: 't', partition: 0 }, from);
  const [{ end } = { end: 0 }] = await broker.listOffsets('t');
  const rows: ReadRow[] = [];
  for (let reads = 0; reader.position < end; reads++) {
    if (reads > 10_000) expect.fail(`the reader hangs at ${reader.position} of ${end}`);
    rows.push(...rowsOf(await reader.read({ rowsMax, waitMsMax: 0 })));
  }
  await reader.close();
  return rows;
}

const shown = (rows: readonly ReadRow[]) =>
  rows.map(({ offset, key, value }) => `${offset} ${textOf(key)}=${textOf(value)}`);

it('keeps the newest value of each key at its offset, and readers step over the gaps', async () => {
  await topic({ 'cleanup.policy': 'compact' });
  await append(['a', '1'], ['b', '1'], ['c', '1']);
  await append(['a', '2']);
  await append(['a', '3'], ['d', 'new'], ['b', '2']);
  await broker.maintain({ compactAll: true });
  const expected = ['2 c=1', '4 a=3', '5 d=new', '6 b=2'];
  expect(shown(await contents())).toEqual(expected);
  expect(shown(await contents(0, 1))).toEqual(expected);
  expect(shown(await contents(3))).toEqual(expected.slice(1));
  expect(shown(await contents(5))).toEqual(expected.slice(2));
  expect(await broker.listOffsets('t')).toEqual([{ partition: 0, logStart: 0, end: 7 }]);
  await reopen();
  expect(shown(await contents())).toEqual(expected);
  await append(['c', '2']);
  await broker.maintain({ compactAll: true });
  expect(shown(await contents())).toEqual(['4 a=3', '5 d=new', '6 b=2', '7 c=2']);
});

it('takes no record without a key on a compacted topic, and keeps nothing of the rest', async () => {
  await topic({ 'cleanup.policy': 'compact' });
  expect(await codeOf(append(['a', '1'], [null, '1']))).toBe('MEANSTREAM_FATAL');
  expect(await broker.listOffsets('t')).toEqual([{ partition: 0, logStart: 0, end: 0 }]);
});

it('keeps headers, timestamps and odd keys of what stays', async () => {
  await topic({ 'cleanup.policy': 'compact' });
  const headers = [{ key: 'h', value: bytes('v') }];
  const rows = [
    row('old', { key: new Uint8Array(4) }),
    row('kept', { key: Uint8Array.of(0xff, 0, 0x80), headers, timestamp: 7 }),
    row('new', { key: new Uint8Array(4), headers }),
    row('', { key: new Uint8Array(0) }),
  ];
  const writer = await broker.openWriter();
  await writer.append([{ topic: 't', partition: 0, records: columns(rows) }]);
  await broker.maintain({ compactAll: true });
  const expected = rows.slice(1).map((kept, i) => ({ ...kept, offset: i + 1 }));
  expect(await contents()).toEqual(expected);
});

it('removes a tombstone when slow readers have had time to see it, never before', async () => {
  await topic({ 'cleanup.policy': 'compact', 'delete.retention.ms': String(hourMs) });
  await append(['a', '1'], ['b', '1']);
  await append(['a', null]);
  await broker.maintain({ compactAll: true });
  expect(shown(await contents())).toEqual(['1 b=1', '2 a=null']);
  clock.advance(hourMs / 2);
  await broker.maintain({ compactAll: true });
  expect(shown(await contents())).toEqual(['1 b=1', '2 a=null']);
  clock.advance(hourMs);
  await broker.maintain({ compactAll: true });
  expect(shown(await contents())).toEqual(['1 b=1']);
  expect(await broker.listOffsets('t')).toEqual([{ partition: 0, logStart: 0, end: 3 }]);
  await append(['a', '2']);
  expect(shown(await contents())).toEqual(['1 b=1', '3 a=2']);
});

it('deletes what is older than retention.ms from the start, and refuses offsets before it', async () => {
  await topic({ 'retention.ms': String(hourMs) });
  await append([null, 'old'], [null, 'old too']);
  clock.advance(hourMs / 2);
  await append([null, 'young']);
  clock.advance(hourMs / 2 + 1);
  await broker.maintain();
  expect(await broker.listOffsets('t')).toEqual([{ partition: 0, logStart: 2, end: 3 }]);
  expect(shown(await contents(2))).toEqual(['2 null=young']);
  const reader = broker.openReader({ topic: 't', partition: 0 }, 0);
  expect(await codeOf(reader.read({ rowsMax: 1, waitMsMax: 0 }))).toBe(
    'MEANSTREAM_OFFSET_OUT_OF_RANGE',
  );
  clock.advance(hourMs);
  await broker.maintain();
  await reopen();
  expect(await broker.listOffsets('t')).toEqual([{ partition: 0, logStart: 3, end: 3 }]);
  await append([null, 'again']);
  expect(shown(await contents(3))).toEqual(['3 null=again']);
});

it('deletes from the start what exceeds retention.bytes', async () => {
  await topic({ 'retention.bytes': '30000', 'retention.ms': '-1' });
  for (let i = 0; i < 10; i++) await append([null, `${i}`.repeat(10_000)]);
  await broker.maintain();
  const [{ logStart, end } = { logStart: 0, end: 0 }] = await broker.listOffsets('t');
  expect([logStart, end]).toEqual([7, 10]);
  expect(await contents(7)).toHaveLength(3);
});

it('keeps everything without limits, whatever its age', async () => {
  await topic({ 'retention.ms': '-1' });
  await append(['a', '1'], ['a', '2']);
  clock.advance(200 * hourMs);
  await broker.maintain({ compactAll: true });
  expect(await contents()).toHaveLength(2);
});

it('does both where both are asked for', async () => {
  await topic({ 'cleanup.policy': 'compact,delete', 'retention.ms': String(hourMs) });
  await append(['a', '1'], ['b', '1']);
  clock.advance(hourMs + 1);
  await append(['c', '1']);
  await append(['c', '2']);
  await broker.maintain({ compactAll: true });
  expect(shown(await contents(2))).toEqual(['3 c=2']);
  expect(await broker.listOffsets('t')).toEqual([{ partition: 0, logStart: 2, end: 4 }]);
});

it('works on its own as the clock ticks, when enough is new', async () => {
  await topic({ 'cleanup.policy': 'compact' });
  for (let i = 0; i < 30; i++) await append(['a', `${i}`.padEnd(50_000)]);
  clock.advance(30_000);
  await broker.maintain();
  expect((await contents()).map(({ offset }) => offset)).toEqual([29]);
});

it('lets readers read on while a log is compacted under them', async () => {
  await topic({ 'cleanup.policy': 'compact' });
  for (let i = 0; i < 400; i++) await append([`k${i % 7}`, `${i}`], [`only ${i}`, 'x']);
  const reader = broker.openReader({ topic: 't', partition: 0 }, 0);
  const seen = new Map<string, string>();
  for (let reads = 0; reader.position < 800; reads++) {
    for (const read of rowsOf(await reader.read({ rowsMax: 50, waitMsMax: 0 }))) {
      seen.set(textOf(read.key)!, textOf(read.value)!);
    }
    if (reads % 5 === 0) await broker.maintain({ compactAll: true });
  }
  expect(seen.size).toBe(407);
  for (let key = 0; key < 7; key++) expect(Number(seen.get(`k${key}`))).toBeGreaterThan(392);
});

it('keeps plain appends and a deleted topic apart from a new one of the same name', async () => {
  await topic({});
  const writer = await broker.openWriter();
  await writer.append([appendOf('t', 0, ['old'])]);
  await broker.deleteTopics(['t']);
  expect(await codeOf(writer.append([appendOf('t', 0, ['lost'])]))).toBe('MEANSTREAM_RETRIABLE');
  await topic({});
  await reopen();
  expect(await broker.listOffsets('t')).toEqual([{ partition: 0, logStart: 0, end: 0 }]);
  expect(await contents()).toEqual([]);
});
