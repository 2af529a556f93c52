// What a run leaves: a table to read and a file to compare with.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import Table from 'cli-table3';
import type { BenchRow } from './bench.ts';
import { packageRoot } from './paths.ts';

const numeric = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 });

export function tableOf(rows: readonly BenchRow[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const table = new Table({
    head: columns,
    colAligns: columns.map((column) => (isNumeric(rows, column) ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) table.push(columns.map((column) => shown(column, row[column])));
  return table.toString();
}

interface Results {
  readonly commit: string;
  readonly rows: readonly BenchRow[];
}

/**
 * @param keepOthers rows of other cases stay, if the file is of the same commit: a results file is of one.
 * @returns the path of what was written.
 */
export function writeResults(
  name: string,
  rows: readonly BenchRow[],
  folder: string,
  { keepOthers }: { readonly keepOthers: boolean },
): string {
  const path = join(folder, `${name}.json`);
  const of = commit();
  const before = keepOthers && existsSync(path) ? read(path) : undefined;
  const measured = new Set(rows.map((row) => row.case));
  const others = before?.commit === of ? before.rows : [];
  const kept = others.filter((row) => !measured.has(row.case));
  const date = new Date().toISOString();
  const results = { machine: machine(), commit: of, date, rows: [...kept, ...rows] };
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, `${JSON.stringify(results, undefined, 2)}\n`);
  return path;
}

function read(path: string): Results {
  return JSON.parse(readFileSync(path, 'utf8')) as Results;
}

export function machine(): string {
  const [first] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const { platform, arch, version } = process;
  return `${cpus().length} × ${first?.model ?? 'unknown'}, ${memory} GiB, ${platform} ${arch}, Node ${version}`;
}

/** The commit that was measured, with "+changes" when the files are not as it has them. */
function commit(): string {
  const id = git('rev-parse', '--short', 'HEAD');
  if (id === '') return 'unknown';
  const changes = git(
    'status',
    '--porcelain',
    '--untracked-files=no',
    '--',
    '.',
    ':!bench/results',
  );
  return changes === '' ? id : `${id}+changes`;
}

function git(...args: string[]): string {
  const { stdout, status } = spawnSync('git', args, { cwd: packageRoot, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : '';
}

function isNumeric(rows: readonly BenchRow[], column: string): boolean {
  return rows.some((row) => typeof row[column] === 'number');
}

function shown(column: string, value: string | number | null | undefined): string {
  if (value === undefined || value === null) return '–';
  if (typeof value === 'string') return value;
  return ['n', 'd', 'k'].includes(column) ? value.toLocaleString('en-US') : numeric.format(value);
}
