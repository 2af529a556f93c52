// GET /v1/drift, /v1/quality and /v1/status: what the detectors and the views have seen lately.

import type { DriftReport, QualitySummary } from '../../schemas/index.ts';
import { json, type Route } from '../http.ts';
import type { ModelsView } from '../views/models-view.ts';
import { qualityReport } from '../views/quality.ts';
import type { RecentView } from '../views/recent-view.ts';
import type { Status } from '../views/status-view.ts';

export interface ObservationSources {
  readonly drift: RecentView<DriftReport>;
  readonly quality: RecentView<QualitySummary>;
  readonly models: ModelsView;
  readonly status: () => Status;
}

export function observationRoutes(sources: ObservationSources): Route[] {
  const { drift, quality, models, status } = sources;
  return [
    {
      method: 'GET',
      path: '/v1/drift',
      handle: () => json({ latest: drift.latest() ?? null, reports: drift.messages() }),
    },
    {
      method: 'GET',
      path: '/v1/quality',
      handle: () => {
        const model = models.current();
        return json({
          modelVersion: model?.version ?? null,
          model: model?.quality ?? null,
          recent: qualityReport(quality.messages()) ?? null,
        });
      },
    },
    { method: 'GET', path: '/v1/status', handle: () => json(status()) },
  ];
}
