// GET /v1/models, /v1/models/{version}, /v1/clusters, /v1/clusters/{id}: what the models topic says.

import type { ClusterEvent } from '../../schemas/index.ts';
import { json, type Route } from '../http.ts';
import { ProblemError } from '../problem.ts';
import { clustersOf, type ModelsView, modelDetail, modelSummary } from '../views/models-view.ts';
import type { RecentView } from '../views/recent-view.ts';

export function modelRoutes(models: ModelsView, events: RecentView<ClusterEvent>): Route[] {
  const { registry } = models;
  /** "sha256/…", where the version is archived. */
  const artifactOf = (version: string) => ({
    artifact: registry.artifact(version)?.artifact ?? null,
  });
  return [
    {
      method: 'GET',
      path: '/v1/models',
      handle: () =>
        json({
          models: registry.list().map((model) => ({
            ...modelSummary(model, registry.aliases(model.version)),
            ...artifactOf(model.version),
          })),
        }),
    },
    {
      method: 'GET',
      path: '/v1/models/{version}',
      handle: ({ params }) => {
        const model = models.get(params.version!);
        if (model === undefined) throw missing(`model version ${params.version}`, '/v1/models');
        const detail = modelDetail(model, registry.aliases(model.version));
        return json({ ...detail, ...artifactOf(model.version) });
      },
    },
    {
      method: 'GET',
      path: '/v1/clusters',
      handle: () => {
        const model = models.current();
        const clusters = model === undefined ? [] : clustersOf(model);
        return json({ modelVersion: model?.version ?? null, clusters });
      },
    },
    {
      method: 'GET',
      path: '/v1/clusters/{id}',
      handle: ({ params }) => {
        const model = models.current();
        const all = model === undefined ? [] : clustersOf(model);
        const cluster = all.find(({ clusterId }) => clusterId === params.id);
        if (model === undefined || cluster === undefined) {
          throw missing(`cluster ${params.id}`, '/v1/clusters');
        }
        const past = events
          .messages()
          .filter((event) => [event.clusterId, event.details.otherId].includes(params.id!));
        const { features } = model;
        return json({ modelVersion: model.version, ...cluster, features, events: past });
      },
    },
  ];
}

function missing(what: string, list: string): ProblemError {
  return new ProblemError('not-found', `There is no ${what}; GET ${list} lists what there is.`);
}
