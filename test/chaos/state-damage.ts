// R7: ten kinds of damage to the files of a stopped task, on both engines: the next start must find it (rebuild from the
// changelog, or go on from an older, whole checkpoint) and never answer from it. The application counts words over many
// keys, so that there are tables to damage; the log is in memory, since what is tested is what is on disk.
//
// Pass: every count is what a plain program counts, the store is what its changelog replays to, and what must not be used
// was rebuilt. A damaged tail of a write-ahead log is no damage that can be told from a crash: there the older checkpoint
// is right. Other damage may hit bytes that nobody reads; so bytes are flipped all over the file.
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StreamRuntime } from '../../runtime/index.ts';
import { MemoryBroker } from '../../runtime/testing/memory-broker.ts';
import { readAll } from '../../runtime/testing/read-all.ts';
import {
  expectedCounts,
  expectedTotals,
  totalsOf,
  wordCount,
} from '../../runtime/testing/word-count.ts';
import { RecordBatchBuilder } from '../../schemas/index.ts';
import { type EngineKind, openEngine } from '../../state-stores/index.ts';
import { type Clock, type Logger, Random, silentLogger, systemClock } from '../../support/index.ts';
import { eventually } from '../support/meanstream-process.ts';
import { type Counts, count, type OwnOutcome, type OwnRow, roundsOf } from './chaos-row.ts';

const applicationId = 'damage';
const changelog = `${applicationId}-counts-changelog`;
const dayMs = 86_400_000;
const words = 600;
const patienceMs = 60_000;

interface Wreck {
  readonly stateDir: string;
  /** The store of task count_0. */
  readonly dir: string;
  /** A copy of `dir` from an earlier stop. */
  readonly backup: string;
  readonly other: string;
  readonly broker: MemoryBroker;
  readonly random: Random;
}

interface Damage {
  readonly name: string;
  /** `rebuilt`: the store must be wiped. `either`: an older checkpoint that is whole may be used as well. */
  readonly must: 'rebuilt' | 'either';
  readonly do: (wreck: Wreck) => void;
  readonly schemaVersion?: number;
  readonly laterMs?: number;
}

const tables = /\.(sst|ldb)$/;
const writeAheadLog = /\.log$/;
const manifest = /^MANIFEST/;

const damages: readonly Damage[] = [
  { name: 'flipped bytes in tables', must: 'either', do: (it) => flip(it, tables) },
  { name: 'flipped bytes in the log', must: 'either', do: (it) => flip(it, writeAheadLog) },
  { name: 'flipped bytes in the manifest', must: 'either', do: (it) => flip(it, manifest) },
  { name: 'tables cut off', must: 'either', do: (it) => cutOff(it, tables) },
  { name: 'CURRENT deleted', must: 'either', do: ({ dir }) => rmSync(join(dir, 'CURRENT')) },
  { name: 'an old backup', must: 'either', do: ({ dir, backup }) => replace(dir, backup) },
  { name: "another task's folder", must: 'rebuilt', do: ({ dir, other }) => replace(dir, other) },
  {
    name: 'older than delete.retention.ms',
    must: 'rebuilt',
    laterMs: 2 * dayMs,
    // With nothing missed an old store is as good as a new one: so it misses something.
    do: ({ dir, backup }) => replace(dir, backup),
  },
  {
    name: 'changelog trimmed past the checkpoint',
    must: 'rebuilt',
    do: ({ dir, backup, broker }) => {
      replace(dir, backup);
      // What is left holds the newest value of every word, as a cleaner leaves it.
      const partition = broker.partition(changelog, 0);
      partition.compact();
      partition.trim(partition.from(0, 1)[0]!.offset);
    },
  },
  { name: 'another schema', must: 'rebuilt', schemaVersion: 2, do: () => {} },
];

export const stateDamage: OwnRow = {
  id: 'R7',
  fault: 'damaged state, 10 kinds, both engines',
  async run({ random, ...scale }): Promise<OwnOutcome> {
    const counts: Counts = {};
    const findings: string[] = [];
    for (const _ of roundsOf(scale, 1, 10)) {
      for (const engine of ['rocksdb', 'level'] as const) {
        for (const damage of damages) {
          const found = await damageOnce(engine, damage, new Random(random.uint32()));
          count(counts, found.outcome);
          findings.push(...found.findings.map((it) => `${engine}, ${damage.name}: ${it}`));
        }
      }
    }
    return { counts, findings };
  },
};

async function damageOnce(engine: EngineKind, damage: Damage, random: Random) {
  const root = mkdtempSync(join(tmpdir(), 'meanstream-damage-'));
  const stateDir = join(root, 'state');
  const folderOf = (partition: number) =>
    join(stateDir, applicationId, `count_${partition}`, 'counts');
  const broker = new MemoryBroker(systemClock);
  const spec = { partitions: 2, replicationFactor: 1, configs: {} };
  await broker.createTopics(['lines', 'totals'].map((name) => ({ name, ...spec })));
  const lines: string[][] = [[], []];
  const warnings: string[] = [];
  const options = { broker, stateDir, engine, lines, random, warnings };
  try {
    await live(options);
    const wreck: Wreck = {
      ...{ stateDir, dir: folderOf(0), broker, random },
      ...{ backup: join(root, 'backup'), other: folderOf(1) },
    };
    cpSync(wreck.dir, wreck.backup, { recursive: true });
    // Twice: by opening, what the write-ahead log holds becomes tables.
    await live(options);
    await live(options);
    warnings.length = 0;
    damage.do(wreck);
    const { schemaVersion, laterMs } = damage;
    await live({
      ...options,
      ...(schemaVersion === undefined ? {} : { schemaVersion }),
      ...(laterMs === undefined ? {} : { laterMs }),
    });
    const findings = await judge(options, folderOf(0));
    const isRebuilt = warnings.some((it) => /rebuilt|wiping|wiped/.test(it));
    if (damage.must === 'rebuilt' && !isRebuilt) findings.push('it was used');
    return { findings, outcome: isRebuilt ? 'rebuilt' : 'caught up from a whole checkpoint' };
  } catch (error) {
    return { findings: [String(error)], outcome: 'failed' };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

interface Life {
  readonly broker: MemoryBroker;
  readonly stateDir: string;
  readonly engine: EngineKind;
  readonly lines: string[][];
  readonly random: Random;
  readonly warnings: string[];
  readonly schemaVersion?: number;
  readonly laterMs?: number;
}

/** One run over some more lines, from start to an orderly stop. */
async function live({ laterMs = 0, schemaVersion = 1, ...life }: Life): Promise<void> {
  const { broker, stateDir, engine, lines, random, warnings } = life;
  const logger: Logger = {
    ...silentLogger,
    warn: (_, message) => void warnings.push(message),
    error: (_, message) => void warnings.push(message),
  };
  const clock: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() + laterMs };
  let fatal: Error | undefined;
  const runtime = new StreamRuntime({
    ...{ topology: wordCount({}, schemaVersion), broker, applicationId, stateDir, clock, logger },
    ...{ instanceId: 'one', storeEngine: engine, commitIntervalMs: 5, batchRowsMax: 200 },
    onFatal: (error) => {
      fatal = error;
    },
  });
  for (const partition of [0, 1]) {
    const records = new RecordBatchBuilder();
    for (const word of everyWordAndSome(random)) {
      lines[partition]!.push(word);
      records.append(systemClock.nowMs(), null, new TextEncoder().encode(word));
    }
    broker.append([{ topic: 'lines', partition, records }]);
  }
  await runtime.start();
  const expected = lines.flat().length;
  await eventually(
    'every line counted',
    async () => {
      if (fatal !== undefined) throw fatal;
      return (await readAll(broker, 'totals')).length >= expected;
    },
    patienceMs,
  );
  await runtime.stop();
}

/** Every run counts every word: so nothing of a run is left in the changelog once a later one was compacted. */
function everyWordAndSome(random: Random): string[] {
  const numbers = [
    ...Array.from({ length: words }, (_, number) => number),
    ...Array.from({ length: words }, () => random.below(words)),
  ];
  return numbers.map((number) => `word-${String(number).padStart(6, '0')}-${'x'.repeat(40)}`);
}

async function judge({ broker, engine, lines }: Life, dir: string): Promise<string[]> {
  const findings: string[] = [];
  const expected = lines.flatMap((of) => expectedTotals(of));
  const totals = await readAll(broker, 'totals');
  if (totalsOf(totals).join('\n') !== expected.join('\n')) {
    findings.push(
      `${totals.length} totals are not the ${expected.length} that a plain program counts`,
    );
  }
  const store = await openEngine(engine, { name: 'counts', dir, logger: silentLogger });
  const held: Record<string, number> = {};
  for await (const { key, value } of store.range()) held[text(key)] = Number(text(value));
  await store.close();
  const replayed: Record<string, number> = {};
  for (const { key, value, partition } of await readAll(broker, changelog)) {
    if (partition === 0 && key![0] !== 0) replayed[text(key!)] = Number(text(value!));
  }
  const counted = expectedCounts(lines[0]!);
  if (sorted(held) !== sorted(counted))
    findings.push('the store is not what a plain program counts');
  if (sorted(replayed) !== sorted(counted)) findings.push('the changelog does not replay to it');
  return findings;
}

function filesOf({ dir }: Wreck, kind: RegExp): string[] {
  return readdirSync(dir)
    .filter((name) => kind.test(name))
    .map((name) => join(dir, name))
    .filter((file) => statSync(file).size > 0);
}

function flip(wreck: Wreck, kind: RegExp): void {
  for (const file of filesOf(wreck, kind)) {
    const bytes = readFileSync(file);
    const flips = Math.max(8, Math.ceil(bytes.length / 200));
    for (let at = 0; at < flips; at += 1) {
      bytes[wreck.random.below(bytes.length)]! ^= 1 << wreck.random.below(8);
    }
    writeFileSync(file, bytes);
  }
}

function cutOff(wreck: Wreck, kind: RegExp): void {
  for (const file of filesOf(wreck, kind)) truncateSync(file, Math.floor(statSync(file).size / 2));
}

function replace(dir: string, by: string): void {
  if (!existsSync(by)) throw new Error(`there is no ${by}`);
  rmSync(dir, { recursive: true, force: true });
  cpSync(by, dir, { recursive: true });
}

function sorted(counts: Record<string, number>): string {
  return JSON.stringify(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
