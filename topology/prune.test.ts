// A prune beside what else is decided about versions, on the whole pipeline: the order of the log decides, and nothing races it.

import { afterEach, describe, expect, it } from 'vitest';
import { TopologyTestDriver } from '../runtime/testing/test-driver.ts';
import {
  encodeModel,
  encodeModelCommand,
  type Model,
  type ModelCommand,
  type ModelDecision,
  modelKey,
  topics,
} from '../schemas/index.ts';
import type { ModelRegistry } from '../state-stores/index.ts';
import { Random } from '../support/index.ts';
import { clusteringTopology } from './index.ts';
import { findingsIn, smallDriver, smallOptions, smallPoints } from './testing/small-pipeline.ts';

let driver: TopologyTestDriver;
let random: Random;

afterEach(() => driver.close());

const registry = () => driver.globalStore<ModelRegistry>('models');
const newest = (): ModelDecision => registry().decisions().at(-1)!;

async function flow(count: number): Promise<void> {
  await driver.pipe(topics.points, smallPoints(random, count));
  await driver.run();
}

type Asked = Omit<ModelCommand, 'requestedBy' | 'reason' | 'timestampMs'>;

/** In one batch. @returns what was decided about each */
async function ask(...commands: Asked[]): Promise<ModelDecision[]> {
  const before = registry().decisions().length;
  const about = { requestedBy: 'ann', reason: 'to see', timestampMs: 5 };
  const records = commands.map((each) => ({ value: encodeModelCommand({ ...each, ...about }) }));
  await driver.pipe(topics.modelCommands, records);
  await driver.run();
  return registry().decisions().slice(before);
}

async function publishCandidate(version: string): Promise<void> {
  const parent = registry().current()!;
  const candidate: Model = {
    ...parent,
    ...{ version, parent: parent.version, origin: 'retrain', deltaOffset: -1 },
  };
  await driver.pipe(topics.models, { key: modelKey(version), value: encodeModel(candidate) });
  await driver.run();
}

/** 1.0, then 1.1 promoted, with the candidates 1.2 and 1.3 beside it. */
async function lived(): Promise<void> {
  random = new Random(3);
  driver = await TopologyTestDriver.create(clusteringTopology(smallOptions), smallDriver);
  await flow(300);
  await publishCandidate('1.1.0');
  await ask({ command: 'promote', version: '1.1.0' });
  await flow(100);
  await publishCandidate('1.2.0');
  await publishCandidate('1.3.0');
}

const prune = (...versions: string[]): Asked => ({ command: 'prune', versions });

describe('a prune', () => {
  it('takes records away for good, with a decision, and their names are never given again', async () => {
    await lived();
    const champion = registry().alias('champion').number;
    const [decision] = await ask(prune('1.2.0', '1.3.0'));
    expect(decision).toMatchObject({ action: 'prune', outcome: 'applied', requestedBy: 'ann' });
    expect(decision!.pruned).toEqual(['1.2.0', '1.3.0']);
    expect(registry().alias('champion').number).toBe(champion);
    expect(registry().keptVersions()).toEqual(expect.arrayContaining(['1.0.0', '1.1.0']));
    expect(registry().get('1.2.0')).toBeUndefined();
    await driver.crash();
    const [refused] = await ask({ command: 'promote', version: '1.3.0' });
    expect(refused).toMatchObject({ outcome: 'refused', refusal: 'version 1.3.0 was pruned' });
    const [back] = await ask({ command: 'rollback' });
    expect(back).toMatchObject({ outcome: 'applied', version: '1.4.0' });
    await flow(100);
    expect(await findingsIn(driver.broker)).toEqual([]);
  });

  it('is refused as a whole when one version is needed, and says which and why', async () => {
    await lived();
    const replaced = registry().decisions('champion').at(-1)!.previous!;
    for (const [version, why] of [
      ['1.1.0', /1\.1\.0 is needed: of the generation in use/],
      [replaced, /is needed: a rollback goes back to it/],
      ['1.0.0', new RegExp(`1\\.0\\.0 is needed: ${replaced} began with it`)],
      ['9.9.9', /9\.9\.9 is not on the topic/],
    ] as const) {
      const [decision] = await ask(prune('1.2.0', version));
      expect(decision).toMatchObject({
        ...{ outcome: 'refused', refusal: expect.stringMatching(why) },
      });
      expect(decision!.pruned).toBeUndefined();
    }
    expect(registry().get('1.2.0')).toBeDefined();
  });

  it('after an alias that was set to it in the same batch is not obeyed', async () => {
    await lived();
    const alias = { command: 'alias', alias: 'shadow', version: '1.2.0' } as const;
    const [set, pruned] = await ask(alias, prune('1.2.0'));
    expect(set).toMatchObject({ outcome: 'applied' });
    expect(pruned).toMatchObject({ outcome: 'refused' });
    expect((await ask(prune('1.2.0')))[0]).toMatchObject({
      refusal: 'version 1.2.0 is needed: shadow points at it',
    });
    expect(registry().alias('shadow').version).toBe('1.2.0');
    expect(registry().get('1.2.0')).toBeDefined();
  });

  it('after a promotion or a rollback in the same batch leaves what these have taken up', async () => {
    for (const asked of [
      { command: 'promote', version: '1.2.0' },
      { command: 'rollback', version: '1.0.0' },
    ] as const) {
      await lived();
      const version = asked.version;
      const [moved, pruned] = await ask(asked, prune(version));
      expect(moved).toMatchObject({ outcome: 'applied' });
      expect(pruned).toMatchObject({ outcome: 'refused' });
      await flow(50);
      expect(registry().get(version)).toBeDefined();
      await driver.close();
    }
  });

  it('before a promotion, an alias or a rollback in the same batch has these refused', async () => {
    for (const asked of [
      { command: 'promote', version: '1.2.0' },
      { command: 'alias', alias: 'shadow', version: '1.2.0' },
    ] as const) {
      await lived();
      const [pruned] = await ask(prune('1.2.0'), asked);
      expect(pruned).toMatchObject({ outcome: 'applied' });
      expect(newest()).toMatchObject({
        ...{ outcome: 'refused', refusal: 'version 1.2.0 was pruned' },
      });
      expect(registry().current()!.version).toMatch(/^1\.1\./);
      expect(registry().alias('shadow').version).toBeNull();
      await driver.close();
    }
  });

  it('leaves a pinned model alone', async () => {
    await lived();
    await ask({ command: 'pin' });
    const [decision] = await ask(prune('1.2.0'));
    expect(decision).toMatchObject({ outcome: 'applied' });
    expect(registry().pinned).toBeDefined();
  });
});
