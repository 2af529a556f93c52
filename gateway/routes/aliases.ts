// GET /v1/aliases, /v1/aliases/{alias}, /v1/aliases/{alias}/history: where names point, and who moved them when and why.
// PUT /v1/aliases/{alias} {version, reason} moves one; `champion` to a candidate is a promotion, to a former champion a rollback.
// POST /v1/rollbacks {reason, version?} goes back to what the champion replaced. PUT /v1/pin {pinned, reason} stops learning and
// promotions, or lets them go on.
//
// The tag of an alias is the number of the newest decision about it: with If-Match (or `expected` in the body) nothing is done
// when somebody else was first.

import { generationOf, type ModelAlias, type ModelDecision } from '../../schemas/index.ts';
import { type AliasEntry, type ModelRegistry, modelAliases } from '../../state-stores/index.ts';
import { type GatewayRequest, type GatewayResponse, json, type Route } from '../http.ts';
import { jsonBody } from '../json-body.ts';
import type { AskedCommand, ModelCommands } from '../model-commands.ts';
import { ProblemError } from '../problem.ts';

const path = '/v1/aliases';
const reasonLengthMax = 1_000;

export function aliasRoutes(registry: ModelRegistry, commands: ModelCommands): Route[] {
  const act = async (asked: AskedCommand) => answer(await commands.send(asked), asked, registry);
  return [
    {
      method: 'GET',
      path,
      handle: () =>
        json({
          aliases: modelAliases.map((alias) => described(registry.alias(alias))),
          pinned: registry.pinned ?? null,
        }),
    },
    {
      method: 'GET',
      path: `${path}/{alias}`,
      handle: ({ params }) => {
        const entry = registry.alias(aliasIn(params));
        const comparison = comparisonOf(registry, entry);
        return tagged(json({ ...described(entry), ...comparison }), entry);
      },
    },
    {
      method: 'GET',
      path: `${path}/{alias}/history`,
      handle: ({ params }) => {
        const alias = aliasIn(params);
        return json({ alias, decisions: registry.decisions(alias).reverse() });
      },
    },
    {
      method: 'PUT',
      path: `${path}/{alias}`,
      handle: (request) => act(moveAsked(request, registry)),
    },
    {
      method: 'POST',
      path: '/v1/rollbacks',
      handle: (request) => act(rollbackAsked(request)),
    },
    { method: 'PUT', path: '/v1/pin', handle: (request) => act(pinAsked(request)) },
  ];
}

const common = ['reason', 'requestedBy', 'expected'];

function moveAsked(request: GatewayRequest, registry: ModelRegistry): AskedCommand {
  const alias = aliasIn(request.params);
  const body = jsonBody(request, ['version', ...common]);
  const version = versionIn(body.version, registry, alias !== 'champion');
  const about = commonIn(body, request);
  if (alias !== 'champion') return { command: 'alias', alias, version, ...about };
  const lived = registry
    .decisions('champion')
    .some(
      ({ outcome, version: was }) =>
        outcome === 'applied' && was !== null && generationOf(was) === generationOf(version!),
    );
  return { command: lived ? 'rollback' : 'promote', version, ...about };
}

function rollbackAsked(request: GatewayRequest): AskedCommand {
  const body = jsonBody(request, ['version', ...common]);
  const { version } = body;
  const named = version === undefined ? {} : { version: versionText(version) };
  return { command: 'rollback', ...named, ...commonIn(body, request) };
}

function pinAsked(request: GatewayRequest): AskedCommand {
  const body = jsonBody(request, ['pinned', ...common]);
  if (typeof body.pinned !== 'boolean') throw refused('pinned must be true or false');
  return { command: body.pinned ? 'pin' : 'unpin', ...commonIn(body, request) };
}

function commonIn(body: Record<string, unknown>, request: GatewayRequest) {
  const { reason = '', requestedBy = 'http' } = body;
  if (typeof reason !== 'string' || reason.length > reasonLengthMax) {
    throw refused(`reason must be a text of at most ${reasonLengthMax} characters`);
  }
  if (typeof requestedBy !== 'string') throw refused('requestedBy must be a text');
  const expected = expectedIn(body.expected, request.ifMatch);
  return { reason, requestedBy, ...(expected !== undefined && { expected }) };
}

function expectedIn(given: unknown, ifMatch: string): number | undefined {
  const tag = ifMatch === '' ? undefined : Number(/^"(\d+)"$/.exec(ifMatch)?.[1] ?? Number.NaN);
  const expected = given === undefined ? tag : given;
  if (expected === undefined || Number.isSafeInteger(expected)) {
    return expected as number | undefined;
  }
  throw refused('If-Match must be the ETag of GET /v1/aliases/{alias}, `expected` its number');
}

function versionIn(given: unknown, registry: ModelRegistry, orNone: boolean): string | null {
  if (given === null && orNone) return null;
  const version = versionText(given);
  if (registry.get(version) !== undefined) return version;
  throw new ProblemError(
    'not-found',
    `There is no model version ${version}; GET /v1/models lists what there is.`,
  );
}

function versionText(given: unknown): string {
  if (typeof given === 'string' && /^\d+\.\d+\.\d+$/.test(given)) return given;
  throw refused('version must be a text such as "1.1.0"');
}

function aliasIn({ alias }: GatewayRequest['params']): ModelAlias {
  const known = modelAliases.find((each) => each === alias);
  if (known !== undefined) return known;
  throw new ProblemError(
    'not-found',
    `There is no alias ${alias}; there are ${modelAliases.join(', ')}.`,
  );
}

function described({ alias, version, number, decision }: AliasEntry): Record<string, unknown> {
  const { requestedBy, reason, decidedAtMs, previous } = decision ?? {};
  const since = decidedAtMs === undefined ? null : new Date(decidedAtMs).toISOString();
  return {
    ...{ alias, version, number, since },
    ...{ previous: previous ?? null, requestedBy: requestedBy ?? null, reason: reason ?? null },
  };
}

/** What is known of a version beside the champion. */
function comparisonOf(registry: ModelRegistry, { alias, number }: AliasEntry): object {
  const comparison = alias === 'shadow' ? registry.comparison(number) : undefined;
  return comparison === undefined ? {} : { comparison };
}

function tagged(response: GatewayResponse, { number }: AliasEntry): GatewayResponse {
  return { ...response, headers: { ...response.headers, etag: `"${number}"` } };
}

function answer(
  decision: ModelDecision | undefined,
  { expected }: AskedCommand,
  registry: ModelRegistry,
): GatewayResponse {
  if (decision === undefined) {
    const detail =
      'The command is on model-commands; nobody has decided about it yet: is a processor running?';
    return json({ decided: false, detail }, 202);
  }
  if (decision.outcome === 'applied') {
    const entry = registry.alias(decision.alias);
    return tagged(json({ decided: true, decision }), { ...entry, number: decision.number });
  }
  const isLate = expected !== undefined && registry.alias(decision.alias).number !== expected;
  throw new ProblemError(
    isLate ? 'precondition-failed' : 'refused',
    `Nothing was changed: ${decision.refusal}.`,
    { fields: { decision } },
  );
}

function refused(why: string): ProblemError {
  return new ProblemError('invalid-request', `Nothing was changed: ${why}.`);
}
