import { expect, test } from 'vitest';
import { Metrics, mergedMetrics } from './metrics.ts';

test('of several threads, what is counted adds up, and of the rest the largest is said', async () => {
  const threads = [new Metrics(), new Metrics()];
  for (const [at, metrics] of threads.entries()) {
    metrics.pointsAssigned.inc(10 + at);
    metrics.partitionsAssigned.set(2);
    metrics.consumerLag.set({ topic: 'points', partition: String(at) }, 5);
    metrics.commitDuration.observe(0.02);
    metrics.lastProgress.set(100 + at);
  }
  const text = await mergedMetrics(
    await Promise.all(threads.map(({ registry }) => registry.getMetricsAsJSON())),
  );
  expect(text).toContain('meanstream_points_assigned_total 21\n');
  expect(text).toContain('meanstream_partitions_assigned 4\n');
  expect(text).toContain('meanstream_commit_duration_seconds_count 2\n');
  expect(text).toContain('meanstream_last_progress_timestamp_seconds 101\n');
  for (const partition of [0, 1]) {
    expect(text).toContain(
      `meanstream_consumer_lag_records{topic="points",partition="${partition}"} 5`,
    );
  }
});
