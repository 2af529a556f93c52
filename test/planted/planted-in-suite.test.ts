// Every mistake of planted-in-suite.ts turns the test that is named with it red; without it that test is part of this run.

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runToEnd } from '../support/meanstream-process.ts';
import { type PlantedInSuite, plantedInSuite } from './planted-in-suite.ts';

const root = join(import.meta.dirname, '..', '..');
const timeoutMs = 120_000;

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

async function failedTests(number: number, { testFile, test }: PlantedInSuite): Promise<string[]> {
  const { stdout, stderr } = await runToEnd(
    process.execPath,
    [
      join(root, 'node_modules', 'vitest', 'vitest.mjs'),
      ...['run', testFile, '--config', join(root, 'test', 'planted', 'vitest.config.ts')],
      ...['-t', `^${test.replace(/[^\w ]/g, '.')}`, '--reporter', 'json'],
    ],
    { cwd: root, environment: { MEANSTREAM_TEST_PLANTED: String(number), VITEST: '' } },
  );
  const start = stdout.indexOf('{"');
  if (start < 0) throw new Error(`The tests did not run.\n${stdout}\n${stderr}`);
  const { testResults } = JSON.parse(stdout.slice(start)) as Report;
  return testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === 'failed')
    .map(({ fullName }) => fullName);
}

describe('the suite', () => {
  it.each(plantedInSuite.map((planted, number) => [planted.name, number, planted] as const))(
    'catches: %s',
    async (_, number, planted) => {
      const failed = await failedTests(number, planted);
      expect(failed.some((name) => name.startsWith(planted.test))).toBe(true);
    },
    timeoutMs,
  );
});
