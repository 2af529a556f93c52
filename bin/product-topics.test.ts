import { expect, test } from 'vitest';
import { loadSettings } from '../config/index.ts';
import { pipelineOf } from './pipeline.ts';
import { productTopics } from './product-topics.ts';

const { values } = loadSettings({ flags: ['model.k=1024', 'model.dimensions=128'] });

test('a model of 1,024 clusters in 128 dimensions fits into every topic that keeps one, changelogs too', () => {
  const sums = 1_024 * 128 * Float64Array.BYTES_PER_ELEMENT;
  const keepers = productTopics(values, pipelineOf(values)).filter(
    ({ name }) => name === 'models' || name === 'centroid-deltas' || name.endsWith('-changelog'),
  );
  expect(keepers.map(({ name }) => name)).toContain('meanstream-centroids-changelog');
  for (const { configs } of keepers) {
    expect(Number(configs['max.message.bytes'])).toBeGreaterThan(4 * sums);
  }
});
