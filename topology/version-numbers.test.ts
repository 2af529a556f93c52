// Who gives a version its number: jobs and the owner, at the same moment, without asking each other.

import { afterEach, describe, expect, it } from 'vitest';
import type { Broker } from '../broker/index.ts';
import { claimVersion, ModelFollower, releaseVersion } from '../jobs/index.ts';
import { readAll } from '../runtime/testing/read-all.ts';
import { TopologyTestDriver } from '../runtime/testing/test-driver.ts';
import {
  decodeModel,
  encodeModelCommand,
  generationOf,
  type Model,
  modelRecordKind,
  topics,
} from '../schemas/index.ts';
import type { ModelRegistry } from '../state-stores/index.ts';
import { systemClock as clock, Random } from '../support/index.ts';
import { clusteringTopology } from './index.ts';
import { findingsIn, k, smallOptions, smallPoints } from './testing/small-pipeline.ts';

let driver: TopologyTestDriver;
let random: Random;
let followers: ModelFollower[] = [];

afterEach(async () => {
  await Promise.all(followers.map((follower) => follower.close()));
  followers = [];
  await driver.close();
});

const registry = () => driver.globalStore<ModelRegistry>('models');
const current = (): Model => registry().current()!;

async function flow(count: number): Promise<void> {
  await driver.pipe(topics.points, smallPoints(random, count));
  await driver.run();
}

/** A champion that has replaced another: something to roll back to. */
async function twoGenerations(): Promise<void> {
  random = new Random(5);
  driver = await TopologyTestDriver.create(clusteringTopology(smallOptions));
  await flow(200);
  await (await job()).publish();
  await driver.run();
  expect(current().version).toBe('1.1.0');
}

async function askRollback(): Promise<void> {
  const about = { requestedBy: 'ann', reason: 'to see', timestampMs: 5 };
  const value = encodeModelCommand({ command: 'rollback', ...about });
  await driver.pipe(topics.modelCommands, { value });
}

/** What a retrain does at its end: takes a number, publishes the model under it, asks for its promotion. */
async function job(broker: Broker = driver.broker) {
  const follower = await ModelFollower.open(broker);
  followers.push(follower);
  const parent = current();
  const claimed = claimVersion({ broker, follower, clock, parent, k });
  const publish = async (): Promise<string> => {
    const version = await claimed;
    const model: Model = {
      ...{ ...parent, version, parent: parent.version, origin: 'retrain', deltaOffset: -1 },
      reference: parent.centroids,
    };
    const asked = { promote: true, requestedBy: 'job', reason: 'better', promotionWaitMsMax: 0 };
    await releaseVersion({ broker, follower, clock, model, ...asked });
    return version;
  };
  return { claimed, publish };
}

/** The real broker; just before the first writer is opened, something else happens. */
function beforeWriting(act: () => Promise<void>): Broker {
  let acted = false;
  return new Proxy<Broker>(driver.broker, {
    get(broker, name) {
      const value = Reflect.get(broker, name, broker) as unknown;
      if (typeof value !== 'function') return value;
      if (name !== 'openWriter' || acted) return value.bind(broker) as unknown;
      return async () => {
        acted = true;
        await act();
        return broker.openWriter();
      };
    },
  });
}

/** Every model under x.y.0 by who made it: no number may have two. */
async function makers(): Promise<Record<string, string[]>> {
  const found: Record<string, Set<string>> = {};
  for (const { key, value } of await readAll(driver.broker, topics.models)) {
    const record = modelRecordKind(key);
    if (record?.kind !== 'model' || record.name === 'current' || !record.name.endsWith('.0'))
      continue;
    const { origin, parent } = decodeModel(value!);
    found[record.name] ??= new Set();
    found[record.name]!.add(`${origin} of ${parent === null ? null : generationOf(parent)}`);
  }
  return Object.fromEntries(Object.entries(found).map(([name, them]) => [name, [...them].sort()]));
}

describe('a version number', () => {
  it('that a job takes while a rollback is on its way to it is the job’s, and the rollback takes the next', async () => {
    await twoGenerations();
    await askRollback();
    await driver.process();
    const retrain = await job();
    expect(await retrain.claimed).toBe('1.2.0');
    await driver.run();
    expect(current().version).toBe('1.3.0');
    await retrain.publish();
    await driver.run();
    expect(current().version).toBe('1.2.0');
    await flow(100);
    expect(await makers()).toEqual({
      ...{ '1.0.0': ['bootstrap of null'], '1.1.0': ['retrain of 1.0'] },
      ...{ '1.2.0': ['retrain of 1.1'], '1.3.0': ['rollback of 1.0'] },
    });
    expect(await findingsIn(driver.broker)).toEqual([]);
  });

  it('that a rollback takes while a job is on its way to it is the rollback’s, and the job takes the next', async () => {
    await twoGenerations();
    await askRollback();
    const retrain = await job(beforeWriting(() => driver.run()));
    expect(await retrain.publish()).toBe('1.3.0');
    await driver.run();
    expect(registry().decisions().at(-1)).toMatchObject({ outcome: 'applied', version: '1.3.0' });
    await flow(100);
    expect(await makers()).toMatchObject({
      ...{ '1.2.0': ['rollback of 1.0'], '1.3.0': ['retrain of 1.1'] },
    });
    expect(await findingsIn(driver.broker)).toEqual([]);
  });

  it('is one model’s, however many jobs and rollbacks want one at a time, over crashes', async () => {
    await twoGenerations();
    const given: string[] = [];
    let rollbacks = 0;
    for (let round = 0; round < 12; round += 1) {
      await askRollback();
      rollbacks += 1;
      const jobs = [1, 2, 3].map(async (n) => {
        for (let i = 0; i < random.below(4); i += 1) await Promise.resolve();
        const retrain = await job();
        return n === 1 ? retrain.publish() : retrain.claimed;
      });
      if (round % 3 === 0) await driver.process(random.below(4));
      if (round % 4 === 0) await driver.crash();
      const [versions] = await Promise.all([Promise.all(jobs), driver.run()]);
      given.push(...versions);
      await flow(30);
    }
    const born = (await makers()) as Record<string, string[]>;
    const rolledBack = Object.keys(born).filter((name) => born[name]![0]!.startsWith('rollback'));
    expect(rolledBack).toHaveLength(rollbacks);
    expect(new Set([...given, ...rolledBack]).size).toBe(given.length + rollbacks);
    expect(Object.values(born).filter((them) => them.length > 1)).toEqual([]);
    expect(await findingsIn(driver.broker)).toEqual([]);
  });
});
