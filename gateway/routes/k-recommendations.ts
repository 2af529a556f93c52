// POST /v1/k-recommendations starts one; GET /v1/k-recommendations and /v1/k-recommendations/{id} say what became of them.

import { kMaxDefault, kMaxMax } from '../../clustering/index.ts';
import { type GatewayRequest, json, type Route } from '../http.ts';
import { jsonObject } from '../json-body.ts';
import type { KRecommendations, KRequest } from '../k-recommendations.ts';
import { ProblemError } from '../problem.ts';

const path = '/v1/k-recommendations';
const fields = ['kMax', 'seed'];

export function kRecommendationRoutes(recommendations: KRecommendations): Route[] {
  return [
    {
      method: 'POST',
      path,
      handle: (request) => {
        const started = recommendations.start(requestOf(request));
        const response = json(started, 202);
        return { ...response, headers: { ...response.headers, location: `${path}/${started.id}` } };
      },
    },
    { method: 'GET', path, handle: () => json({ recommendations: recommendations.list() }) },
    {
      method: 'GET',
      path: `${path}/{id}`,
      handle: ({ params }) => {
        const found = recommendations.get(params.id!);
        if (found !== undefined) return json(found);
        throw new ProblemError(
          'not-found',
          `There is no recommendation ${params.id}; GET ${path} lists what there is.`,
        );
      },
    },
  ];
}

/** An empty body asks for the defaults. */
function requestOf({ body }: GatewayRequest): KRequest {
  if (body.length === 0) return { kMax: kMaxDefault };
  const given = jsonObject(body, (why) => refused(`the body ${why}`));
  const unknown = Object.keys(given).find((name) => !fields.includes(name));
  if (unknown !== undefined)
    throw refused(`${unknown} is not known; there are ${fields.join(' and ')}`);
  const { kMax = kMaxDefault, seed } = given;
  if (!isWhole(kMax, 2, kMaxMax)) throw refused(`kMax must be a whole number from 2 to ${kMaxMax}`);
  if (seed === undefined) return { kMax };
  if (!isWhole(seed, 0, 0xffffffff))
    throw refused('seed must be a whole number from 0 to 4294967295');
  return { kMax, seed };
}

function isWhole(value: unknown, min: number, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}

function refused(why: string): ProblemError {
  return new ProblemError('invalid-request', `No recommendation was started: ${why}.`);
}
