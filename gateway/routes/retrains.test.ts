import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  decodeRetrainCommand,
  encodeRetrainState,
  type RetrainState,
  topics,
} from '../../schemas/index.ts';
import { dumpTopic } from '../../test/support/dump-topic.ts';
import { eventually } from '../../test/support/meanstream-process.ts';
import { type GatewayFixture, startGateway } from '../testing/gateway-fixture.ts';

let fixture: GatewayFixture;

beforeEach(async () => {
  fixture = await startGateway();
});
afterEach(() => fixture.stop());

async function call(method: string, path: string): Promise<{ status: number; body: RetrainState }> {
  const response = await fetch(`${fixture.url}${path}`, { method });
  return { status: response.status, body: (await response.json()) as RetrainState };
}

it('takes a request back through the log, while it is not over', async () => {
  const { body: asked } = await call('POST', '/v1/retrains');
  const path = `/v1/retrains/${asked.id}`;
  await eventually('it is known', async () => (await call('GET', path)).status === 200);
  expect((await call('DELETE', path)).status).toBe(202);
  const commands = await dumpTopic(fixture.broker, topics.modelCommands);
  expect(decodeRetrainCommand(commands.at(-1)!.value!)).toMatchObject({
    ...{ command: 'cancel-retrain', id: asked.id },
  });
  const value = encodeRetrainState({ ...asked, state: 'cancelled' });
  await fixture.append(topics.retrains, 0, [{ key: asked.id, value }]);
  await eventually('it is over', async () => (await call('GET', path)).body.state === 'cancelled');
  expect((await call('DELETE', path)).status).toBe(409);
  expect((await call('DELETE', '/v1/retrains/999')).status).toBe(404);
});
