// GET /metrics: what this process counted, for Prometheus. Gauges that belong to a view are set when they are asked for.

import type { Metrics } from '../../support/index.ts';
import type { Route } from '../http.ts';
import type { Status } from '../views/status-view.ts';

const clustersMax = 20;

export function metricsRoute(metrics: Metrics, status: () => Status): Route {
  return {
    method: 'GET',
    path: '/metrics',
    handle: async () => {
      setGauges(metrics, status());
      return {
        status: 200,
        headers: { 'content-type': metrics.registry.contentType, 'cache-control': 'no-store' },
        body: await metrics.registry.metrics(),
      };
    },
  };
}

function setGauges(metrics: Metrics, status: Status): void {
  for (const { partition, records } of status.lag?.partitions ?? []) {
    metrics.consumerLag.set({ topic: 'points', partition: String(partition) }, records);
  }
  const latest = status.drift.at(-1);
  if (latest !== undefined) {
    metrics.driftScore.set({ detector: 'psi' }, latest.psi ?? 0);
    metrics.driftScore.set({ detector: 'page-hinkley' }, latest.pageHinkley);
    metrics.driftScore.set({ detector: 'feature-shift' }, latest.featureShift ?? 0);
  }
  metrics.clusterWeight.reset();
  metrics.modelVersion.reset();
  metrics.clustersActive.set(status.clusterCount);
  if (status.model === null) return;
  metrics.modelVersion.set({ version: String(status.model.version), alias: 'champion' }, 1);
  metrics.modelAge.set((status.modelAgeMs ?? 0) / 1_000);
  const top = status.clusters.slice(0, clustersMax);
  for (const { clusterId, share } of top) metrics.clusterWeight.set({ cluster: clusterId }, share);
  if (status.clusterCount <= clustersMax) return;
  const rest = top.reduce((left, { share }) => left - share, 1);
  metrics.clusterWeight.set({ cluster: 'other' }, Math.max(0, rest));
}
