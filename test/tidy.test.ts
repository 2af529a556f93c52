// The two things about style that a machine checks: imports point one way, without cycles, and the ban list.
// The first half checks the checks, on small made-up files.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { banViolations } from './tidy/bans.ts';
import { cycles, importViolations, packageViolations } from './tidy/imports.ts';
import { parse, projectFiles, type Violation } from './tidy/source-files.ts';

const bans = (path: string, text: string): string[] =>
  banViolations(parse(path, text)).map(({ line, message }) => `${line}: ${message}`);
const imports = (path: string, text: string): string[] =>
  importViolations([parse(path, text)]).map(({ message }) => message);

describe('the check of imports', () => {
  it.each([
    ['support/clock.ts', '../schemas/index.ts', 'nothing of ours'],
    ['schemas/codecs.ts', '../broker/index.ts', 'only support'],
    ['processors/assign-points.ts', '../runtime/index.ts', 'processors/ may import'],
    ['runtime/task.ts', '../gateway/index.ts', 'runtime/ may import'],
    ['gateway/routes/points.ts', '../../bin/meanstream.ts', 'gateway/ may import'],
    ['bin/meanstream.ts', '../runtime/task.ts', 'runtime/index.ts'],
    ['runtime/task.ts', './testing/test-driver.ts', 'for tests'],
    ['broker/index.ts', './testing/broker-contract.ts', 'for tests'],
    ['odd/thing.ts', '../support/index.ts', 'not in the table'],
  ])('finds %s importing %s', (path, specifier, reason) => {
    const [message] = imports(path, `import type { X } from '${specifier}';`);
    expect(message).toContain(reason);
  });

  it.each([
    ['runtime/task.ts', '../broker/index.ts'],
    ['runtime/task.ts', './commit.ts'],
    ['bin/meanstream.ts', '../broker/kafka/index.ts'],
    ['runtime/index.ts', './testing/test-driver.ts'],
    ['gateway/routes/points.ts', '../views/assignments.ts'],
    ['broker/kafka/kafka.test.ts', '../../runtime/task.ts'],
    ['test/whole.test.ts', '../bin/meanstream.ts'],
  ])('lets %s import %s', (path, specifier) => {
    expect(imports(path, `import { x } from '${specifier}';`)).toEqual([]);
  });

  it('sees every form of import', () => {
    const text = [
      "export { a } from '../gateway/index.ts';",
      "const b = await import('../gateway/index.ts');",
      "type C = import('../gateway/index.ts').C;",
      "import '../gateway/index.ts';",
    ].join('\n');
    expect(imports('support/a.ts', text)).toHaveLength(4);
  });

  it('finds cycles, through types too', () => {
    const files = [
      parse('a/x.ts', "import type { Y } from './y.ts';"),
      parse('a/y.ts', "import { z } from './z.ts';"),
      parse('a/z.ts', "export { x } from './x.ts';"),
    ];
    expect(cycles(files)).toEqual([['a/x.ts', 'a/y.ts', 'a/z.ts', 'a/x.ts']]);
    expect(cycles(files.slice(1))).toEqual([]);
  });

  it('finds packages that are not listed', () => {
    const files = [
      parse(
        'runtime/a.ts',
        "import 'left-pad';\nimport 'vitest';\nimport '@a/b/c';\nimport 'node:fs';",
      ),
      parse('runtime/a.test.ts', "import 'vitest';"),
    ];
    expect(packageViolations(files, ['@a/b'], ['vitest']).map(({ line }) => line)).toEqual([1, 2]);
  });
});

describe('the ban list', () => {
  it.each([
    ['const a = process.env.HOME;', 'process.env'],
    ['const { HOME } = process.env;', 'process.env'],
    ['const now = Date.now();', 'Date.now'],
    ['const now = performance.now;', 'performance.now'],
    ['const x = Math.random();', 'Math.random'],
    ['setTimeout(() => {}, 1);', 'a timer'],
    ['const later = globalThis.setInterval;', 'a timer'],
    ["import { setTimeout as sleep } from 'node:timers/promises';", 'a timer'],
    ["console.log('x');", 'console'],
    ['export default class A {}', 'export default'],
    ['const a = 1;\nexport { a as default };', 'export default'],
    ["export * from './b.ts';", 'export *'],
    ["export * as b from './b.ts';", 'export *'],
    ['enum Colour { red }', 'enum'],
    ['namespace A { export const b = 1; }', 'namespace'],
    ['class A { @log b() {} }', 'decorator'],
    ['const a: any = 1;', 'any'],
    ['// @ts-ignore\nconst a = 1;', '@ts-ignore'],
    ["import { Kafka } from 'kafkajs';", 'broker/kafka'],
    ["import RocksDB from 'rocksdb-native';", 'openEngine'],
    ["import { ClassicLevel } from 'classic-level';", 'openEngine'],
    ["import avsc from 'avsc';", 'schemas/'],
    ["import uws from 'uWebSockets.js';", 'gateway/'],
    ["import { Gauge } from 'prom-client/lib/gauge.js';", 'Metrics'],
  ])('finds %j in a product file', (text, reason) => {
    const found = bans('runtime/task.ts', text);
    expect(found.length).toBeGreaterThan(0);
    expect(found[0]).toContain(reason);
  });

  it('says on which line', () => {
    expect(bans('runtime/task.ts', '\n\nconst now = Date.now();')).toEqual([
      '3: has Date.now; use the Clock that is passed in',
    ]);
  });

  it.each([
    [
      'runtime/task.ts',
      "// Date.now, any and console. in a comment\nconst text = 'Math.random()';",
    ],
    ['config/load.ts', 'const a = process.env;'],
    ['bin/meanstream.ts', "console.log('x');"],
    ['support/clock.ts', 'setTimeout(() => {}, Date.now());'],
    ['test/whole.test.ts', 'const started = performance.now();'],
    ['vitest.config.ts', 'export default {};'],
    ['broker/kafka/a.ts', "import { Kafka } from 'kafkajs';"],
    ['a/b.d.ts', "declare module 'x' { const y: string; export = y; }"],
    [
      'a/b.ts',
      '// biome-ignore lint/suspicious/noExplicitAny: the graph cannot type it.\nlet a: any;',
    ],
  ])('has nothing against %s with %j', (path, text) => {
    expect(bans(path, text)).toEqual([]);
  });

  it('finds a test that runs alone', () => {
    expect(bans('a/b.test.ts', "it.only('x', () => {});")[0]).toContain('.only(');
  });
});

describe('the project', () => {
  const root = join(import.meta.dirname, '..');
  const files = projectFiles(root);
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const report = (violations: readonly Violation[]): string[] =>
    violations.map(({ path, line, message }) => `${path}:${line} ${message}`);

  it('has files to check', () => {
    expect(files.length).toBeGreaterThan(50);
  });

  it('imports in one direction, and other folders by their index', () => {
    expect(report(importViolations(files))).toEqual([]);
  });

  it('has no cycle between files', () => {
    expect(cycles(files).map((cycle) => cycle.join(' → '))).toEqual([]);
  });

  it('imports only packages that package.json lists', () => {
    const dependencies = Object.keys(manifest.dependencies);
    const devDependencies = Object.keys(manifest.devDependencies);
    expect(report(packageViolations(files, dependencies, devDependencies))).toEqual([]);
  });

  it('has nothing of the ban list', () => {
    expect(report(files.flatMap(banViolations))).toEqual([]);
  });
});
