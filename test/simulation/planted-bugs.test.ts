// Every planted bug is caught by the simulation. MEANSTREAM_TEST_HUNT=<number> tries that many histories for each.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plantedBugs } from './planted-bugs.ts';
import { compileTree, huntIn, plant } from './planted-tree.ts';

const historiesMax = Number(process.env.MEANSTREAM_TEST_HUNT ?? 1_000);
const msMax = 120_000;
const folder = mkdtempSync(join(tmpdir(), 'planted-'));

describe('the simulation', { timeout: msMax + 30_000 }, () => {
  beforeAll(() => compileTree(folder));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('finds nothing where nothing is planted', async () => {
    const seeds = Array.from({ length: 20 }, (_, i) => i + 1);
    expect(await huntIn(folder, { seeds }, msMax)).toBeUndefined();
  });

  it.each(plantedBugs.map((bug) => [bug.name, bug] as const))('catches: %s', async (_, bug) => {
    const takeOut = plant(folder, bug.file, bug.edits);
    const seeds = [bug.seed, ...Array.from({ length: historiesMax }, (_, i) => i + 1)];
    const quarry = await huntIn(folder, { seeds }, msMax).finally(takeOut);
    expect(quarry, `not seen in ${seeds.length} histories`).toBeDefined();
  });
});
