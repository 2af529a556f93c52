// POST /v1/assign: the nearest clusters of some points, now. Nothing is written and nothing is learned; the answers are
// those the stream gives against the same model version, for both come from the same assigner.

import { Assigner, type Kernels } from '../../clustering/index.ts';
import { type Model, shorter } from '../../schemas/index.ts';
import { json, type Route } from '../http.ts';
import { type PointInput, type PointInputOptions, readPointInput } from '../point-input.ts';
import { ProblemError } from '../problem.ts';

export interface AssignRouteOptions {
  readonly input: PointInputOptions;
  readonly currentModel: () => Model | undefined;
  readonly kernels: Kernels;
}

const utf8 = new TextDecoder();

export function assignRoute({ input, currentModel, kernels }: AssignRouteOptions): Route {
  let model: Model | undefined;
  let assigner: Assigner | undefined;
  return {
    method: 'POST',
    path: '/v1/assign',
    handle: (request) => {
      const current = currentModel();
      if (current === undefined) throw noModel();
      if (assigner === undefined || model !== current) {
        model = current;
        assigner = new Assigner(current, kernels);
      }
      const points = readPointInput(request, input);
      assigner.assign(points.values, points.n);
      return json({
        modelVersion: current.version,
        assignments: answers(assigner, points, current),
      });
    },
  };
}

function answers(assigner: Assigner, { n, keys }: PointInput, { clusterIds }: Model): object[] {
  const { labels, distances, margins, outlierScores } = assigner;
  return Array.from({ length: n }, (_, i) => ({
    key: keys[i] === null ? null : utf8.decode(keys[i]!),
    clusterId: clusterIds[labels[i]!]!,
    distance: shorter(distances[i]!),
    margin: shorter(margins[i]!),
    outlierScore: shorter(outlierScores[i]!),
  }));
}

function noModel(): ProblemError {
  return new ProblemError(
    'no-model',
    'There is no model yet: it is made from the first points; send some to POST /v1/points and try again.',
    { headers: { 'retry-after': '5' } },
  );
}
