// docs/ERRORS.md names every error code of the code base, and nothing else.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pointFaults } from '../schemas/point-faults.ts';

const root = new URL('..', import.meta.url).pathname;
const folders = [
  'support',
  'config',
  'schemas',
  'clustering',
  'broker',
  'state-stores',
  'sources',
  'exports',
  'imports',
  'processors',
  'topology',
  'runtime',
  'jobs',
  'gateway',
  'verification',
  'bin',
];

function sourceFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/\.test\.ts$|(^|\/)testing\//.test(name))
    .map((name) => join(root, folder, name));
}

/** A code stands alone in its quotes; of the names of environment variables only those for tests do. */
function codesInSource(): Set<string> {
  const codes = new Set<string>();
  for (const file of folders.flatMap(sourceFiles)) {
    for (const [, code] of readFileSync(file, 'utf8').matchAll(
      /['"`](MEANSTREAM_(?!TEST_)[A-Z0-9_]+[A-Z0-9])['"`]/g,
    )) {
      codes.add(code!);
    }
  }
  return codes;
}

function codesInDocument(): string[] {
  const page = readFileSync(join(root, 'docs/ERRORS.md'), 'utf8');
  return [...page.matchAll(/^### (MEANSTREAM_[A-Z0-9_]+)$/gm)].map(([, code]) => code!);
}

test('every error code of the source is explained in docs/ERRORS.md', () => {
  const documented = new Set(codesInDocument());
  expect([...codesInSource()].filter((code) => !documented.has(code))).toEqual([]);
});

test('docs/ERRORS.md explains no code that the source does not have', () => {
  const known = codesInSource();
  expect(codesInDocument().filter((code) => !known.has(code))).toEqual([]);
});

test('every code is explained once, with when it comes and what to do', () => {
  const page = readFileSync(join(root, 'docs/ERRORS.md'), 'utf8');
  const codes = codesInDocument();
  expect(new Set(codes).size).toBe(codes.length);
  for (const entry of page.split(/^### /m).slice(1)) {
    expect(entry, entry.split('\n')[0]).toMatch(/\*\*When:\*\*[\s\S]*\*\*Do:\*\*/);
  }
});

test('the reasons of dead letters stand there with their meaning, all and no others', () => {
  const page = readFileSync(join(root, 'docs/ERRORS.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(([, code, says]) => [
    code,
    says,
  ]);
  expect(rows).toEqual(Object.entries(pointFaults));
});
