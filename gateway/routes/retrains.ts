// POST /v1/retrains asks for one, DELETE /v1/retrains/{id} takes it back; GET /v1/retrains and /v1/retrains/{id} say what became of
// those asked for. Who runs them is another process, or this one: the request goes into the log, and so does what becomes of it.

import { appendOnce, type Broker } from '../../broker/index.ts';
import {
  type CancelRetrainCommand,
  commandAppend,
  encodeRetrainCommand,
  type RetrainCommand,
  type RetrainState,
} from '../../schemas/index.ts';
import type { Clock } from '../../support/index.ts';
import { type GatewayRequest, json, type Route } from '../http.ts';
import { jsonObject } from '../json-body.ts';
import { ProblemError } from '../problem.ts';
import { type RetrainsView, requested } from '../views/retrains-view.ts';

export interface RetrainRouteOptions {
  readonly retrains: RetrainsView;
  readonly broker: Broker;
  readonly clock: Clock;
}

const path = '/v1/retrains';
const fields = ['k', 'reason', 'requestedBy'];
const textMax = 500;
const kMax = 16_384;

export function retrainRoutes({ retrains, broker, clock }: RetrainRouteOptions): Route[] {
  return [
    {
      method: 'POST',
      path,
      handle: async (request) => {
        const command = commandOf(request, clock.nowMs());
        const offset = await ask(broker, command);
        const response = json(retrains.get(String(offset)) ?? requested(offset, command), 202);
        return { ...response, headers: { ...response.headers, location: `${path}/${offset}` } };
      },
    },
    { method: 'GET', path, handle: () => json({ retrains: retrains.list() }) },
    {
      method: 'GET',
      path: `${path}/{id}`,
      handle: ({ params }) => json(known(retrains, params.id!)),
    },
    {
      method: 'DELETE',
      path: `${path}/{id}`,
      handle: async ({ params }) => {
        const { id, state } = known(retrains, params.id!);
        if (state !== 'requested' && state !== 'running') {
          throw new ProblemError('refused', `Retrain ${id} is over: it is ${state}.`);
        }
        const by = { requestedBy: 'gateway', reason: `DELETE ${path}/${id}` };
        await ask(broker, { command: 'cancel-retrain', id, ...by, timestampMs: clock.nowMs() });
        return json(known(retrains, id), 202);
      },
    },
  ];
}

function known(retrains: RetrainsView, id: string): RetrainState {
  const found = retrains.get(id);
  if (found !== undefined) return found;
  throw new ProblemError(
    'not-found',
    `There is no retrain ${id}; GET ${path} lists what there is.`,
  );
}

/** @returns its offset on model-commands */
async function ask(
  broker: Broker,
  command: RetrainCommand | CancelRetrainCommand,
): Promise<number> {
  const value = encodeRetrainCommand(command);
  const [at] = await appendOnce(broker, [commandAppend(value, command.timestampMs)]);
  return at!.baseOffset;
}

/** An empty body asks for a retrain as the current model is. */
function commandOf({ body }: GatewayRequest, timestampMs: number): RetrainCommand {
  const given = body.length === 0 ? {} : jsonObject(body, (why) => refused(`the body ${why}`));
  const unknown = Object.keys(given).find((name) => !fields.includes(name));
  if (unknown !== undefined)
    throw refused(`${unknown} is not known; there are ${fields.join(', ')}`);
  const { k, reason = 'POST /v1/retrains', requestedBy = 'gateway' } = given;
  if (k !== undefined && !(Number.isInteger(k) && (k as number) >= 1 && (k as number) <= kMax)) {
    throw refused(`k must be a whole number from 1 to ${kMax}`);
  }
  for (const [name, text] of Object.entries({ reason, requestedBy })) {
    if (typeof text === 'string' && text.length <= textMax) continue;
    throw refused(`${name} must be text of at most ${textMax} characters`);
  }
  return {
    ...{ command: 'retrain', trigger: 'hand', timestampMs },
    ...{ reason: reason as string, requestedBy: requestedBy as string },
    ...(k !== undefined && { k: k as number }),
  };
}

function refused(why: string): ProblemError {
  return new ProblemError('invalid-request', `No retrain was asked for: ${why}.`);
}
