// The routes against a real gateway and log; the test plays the owner of the model, who decides.

import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  decisionKey,
  decodeModelCommand,
  encodeModelDecision,
  type ModelCommand,
  type ModelDecision,
  recordValue,
  topics,
} from '../../schemas/index.ts';
import { type GatewayFixture, modelOf, startGateway } from '../testing/gateway-fixture.ts';

let fixture: GatewayFixture;
let decisions = 0;
let commandsSeen = 0;

beforeAll(async () => {
  fixture = await startGateway({ limits: { decisionWaitMsMax: 2_000 } });
  await fixture.publishModel(modelOf([[0, 0]], '1.1.0'));
  await fixture.publishModel(modelOf([[0, 0]], '1.0.0'));
  await decide({ action: 'bootstrap', version: '1.0.0', reason: 'seeded' });
});
afterAll(() => fixture.stop());

async function decide(change: Partial<ModelDecision>): Promise<void> {
  decisions += 1;
  const decision: ModelDecision = {
    number: decisions,
    action: 'alias',
    alias: 'champion',
    outcome: 'applied',
    refusal: null,
    asked: null,
    version: null,
    previous: null,
    commandId: null,
    requestedBy: 'ann',
    reason: 'to see',
    requestedAtMs: 1,
    decidedAtMs: 2,
    deltaOffset: 0,
    ...change,
  };
  const record = { key: decisionKey(decisions), value: encodeModelDecision(decision) };
  await fixture.append(topics.models, 0, [record]);
}

function send(method: string, path: string, body: object, headers: Record<string, string> = {}) {
  return fetch(`${fixture.url}${path}`, {
    method,
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });
}

/** The next command on the audit log. */
async function nextCommand(): Promise<ModelCommand> {
  const partition = { topic: topics.modelCommands, partition: 0 };
  const reader = fixture.broker.openReader(partition, commandsSeen);
  const batch = await reader.read({ rowsMax: 1, waitMsMax: 5_000 });
  await reader.close();
  commandsSeen += 1;
  return decodeModelCommand(recordValue(batch, 0)!);
}

it('says where every alias points, since when, by whom and why', async () => {
  const { aliases } = (await (await fetch(`${fixture.url}/v1/aliases`)).json()) as {
    aliases: object[];
  };
  expect(aliases).toMatchObject([
    { alias: 'champion', version: '1.0.0', number: 1, requestedBy: 'ann', reason: 'seeded' },
    { alias: 'challenger', version: null, number: 0, since: null },
    { alias: 'shadow', version: null, number: 0 },
  ]);
  const response = await fetch(`${fixture.url}/v1/aliases/champion`);
  expect(response.headers.get('etag')).toBe('"1"');
});

it('moves an alias by a command, and answers with what was decided', async () => {
  const body = { version: '1.1.0', reason: 'better', requestedBy: 'bob' };
  const answer = send('PUT', '/v1/aliases/champion', body, { 'if-match': '"1"' });
  const command = await nextCommand();
  expect(command).toMatchObject({ command: 'promote', expected: 1, ...body });
  await decide({ action: 'promote', version: '1.1.0', commandId: command.id! });
  const response = await answer;
  expect(response.status).toBe(200);
  expect(response.headers.get('etag')).toBe('"2"');
  expect(await response.json()).toMatchObject({ decided: true, decision: { number: 2 } });
});

it('asks for a rollback when the version has been champion, and for an alias otherwise', async () => {
  const asked = async (path: string, body: object, method = 'PUT') => {
    const answer = send(method, path, body);
    const { id, requestedBy, reason, timestampMs, ...command } = await nextCommand();
    await decide({ commandId: id!, alias: 'challenger' });
    expect((await answer).status).toBe(200);
    return command;
  };
  const back = { version: '1.0.0' };
  expect(await asked('/v1/aliases/champion', back)).toEqual({ command: 'rollback', ...back });
  expect(await asked('/v1/rollbacks', {}, 'POST')).toEqual({ command: 'rollback' });
  expect(await asked('/v1/aliases/shadow', { version: null })).toEqual({
    ...{ command: 'alias', alias: 'shadow', version: null },
  });
  expect(await asked('/v1/pin', { pinned: true })).toEqual({ command: 'pin' });
});

it('says that somebody else was first, that it was refused, or that nobody has decided', async () => {
  const outcome = async (expected: number, refusal: string) => {
    const answer = send('PUT', '/v1/aliases/shadow', { version: '1.1.0', expected });
    const { id } = await nextCommand();
    await decide({ alias: 'shadow', outcome: 'refused', refusal, commandId: id! });
    const response = await answer;
    return [response.status, ((await response.json()) as { code: string }).code];
  };
  expect(await outcome(99, 'decision 0 is newer')).toEqual([412, 'MEANSTREAM_PRECONDITION_FAILED']);
  expect(await outcome(0, 'the model is pinned')).toEqual([409, 'MEANSTREAM_REFUSED']);
  const response = await send('PUT', '/v1/aliases/shadow', { version: '1.1.0' });
  await nextCommand();
  expect(response.status).toBe(202);
});

it('keeps the history, refusals too, newest first', async () => {
  const response = await fetch(`${fixture.url}/v1/aliases/shadow/history`);
  const { decisions: kept } = (await response.json()) as { decisions: ModelDecision[] };
  expect(kept.map(({ outcome }) => outcome)).toEqual(['refused', 'refused']);
});

it.each([
  ['PUT', '/v1/aliases/nobody', { version: '1.1.0' }, 404],
  ['PUT', '/v1/aliases/champion', { version: '7.0.0' }, 404],
  ['PUT', '/v1/aliases/champion', { version: null }, 400],
  ['PUT', '/v1/aliases/shadow', { versoin: '1.1.0' }, 400],
  ['PUT', '/v1/aliases/shadow', { version: '1.1.0', reason: 5 }, 400],
  ['PUT', '/v1/aliases/shadow', { version: '1.1.0', expected: 'x' }, 400],
  ['PUT', '/v1/pin', { pinned: 'yes' }, 400],
  ['DELETE', '/v1/aliases/shadow', {}, 405],
])('writes nothing for %s %s %j', async (method, path, body, status) => {
  expect((await send(method, path, body)).status).toBe(status);
  const [offsets] = await fixture.broker.listOffsets(topics.modelCommands);
  expect(offsets?.end).toBe(commandsSeen);
});

it('takes no command that does not say it is JSON, as a page of another site could send', async () => {
  const response = await fetch(`${fixture.url}/v1/rollbacks`, { method: 'POST', body: '{}' });
  expect(response.status).toBe(415);
});
