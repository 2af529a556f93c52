import { expect, it } from 'vitest';
import { ManualClock } from '../support/index.ts';
import { CentroidStore } from './centroid-store.ts';
import { ChangelogStore } from './changelog.ts';
import { MemoryStore } from './memory.ts';

interface Header {
  readonly version: string;
  readonly order: readonly string[];
  readonly scaler: { readonly mean: Float64Array };
}

async function newStore() {
  const engine = new MemoryStore({ name: 'centroids' });
  await engine.open();
  const store = new ChangelogStore({
    engine,
    applicationId: 'app',
    taskId: 'fold_0',
    schemaVersion: 1,
    clock: new ManualClock(),
  });
  return { store, centroids: new CentroidStore<Header>(store) };
}

const header: Header = {
  version: '1.0.3',
  order: ['c2', 'c10'],
  scaler: { mean: Float64Array.of(0.1, -0, Number.MIN_VALUE) },
};

it('is empty before the first header', async () => {
  const { centroids } = await newStore();
  expect(await centroids.load()).toBeUndefined();
});

it('gives header and clusters back bit for bit', async () => {
  const { centroids } = await newStore();
  const values = Float64Array.of(1 / 3, -0, 5e-324, 1e308);
  centroids.putHeader(header);
  centroids.putCluster('c2', values);
  centroids.putCluster('c10', Float64Array.of());
  values.fill(0);
  const state = (await centroids.load())!;
  expect(state.header).toEqual(header);
  expect(state.clusters.get('c2')).toEqual(Float64Array.of(1 / 3, -0, 5e-324, 1e308));
  expect(state.clusters.get('c10')).toHaveLength(0);
});

it('writes only what was put, beside other keys of the task', async () => {
  const { store, centroids } = await newStore();
  store.put(new TextEncoder().encode('sample/0'), Uint8Array.of(1));
  centroids.putHeader(header);
  centroids.putCluster('c2', Float64Array.of(1));
  const progress = { inputOffsets: {}, streamTimeMs: 0 };
  await store.commitTo(store.takeChangelog(progress, 0).n);
  centroids.putCluster('c10', Float64Array.of(2));
  centroids.deleteCluster('c2');
  expect(store.takeChangelog(progress, 0).n).toBe(3);
  expect([...(await centroids.load())!.clusters.keys()]).toEqual(['c10']);
});
