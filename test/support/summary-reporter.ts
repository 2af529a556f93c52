// Ends a run with what was skipped and why, and `N passed, N failed` on a line of its own.
import type { Reporter, TestModule } from 'vitest/node';

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const skipped: string[] = [];
    let passed = 0;
    let failed = errors.length;
    for (const module of modules) {
      let broken = module.errors().length;
      // What fails in a beforeAll belongs to no test: the suite's tests count as skipped.
      for (const suite of module.children.allSuites()) broken += suite.errors().length;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') passed += 1;
        else if (result.state === 'failed') broken += 1;
        else skipped.push(`${test.fullName}${reason(result)}`);
      }
      failed += broken;
    }
    if (passed + failed === 0) failed = 1;
    const lines = skipped.map((name) => `skipped: ${name}`);
    process.stdout.write(
      `\n${[...lines, `${skipped.length} skipped`, `${passed} passed, ${failed} failed`].join('\n')}\n`,
    );
  }
}

function reason(result: object): string {
  const note = (result as { note?: string }).note;
  return note === undefined ? '' : ` (${note})`;
}
