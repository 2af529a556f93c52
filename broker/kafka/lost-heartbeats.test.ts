// A member that hears nothing for a session gives its tasks up. Kafka may know nothing of that: its coordinator has moved
// and taken the members along, or only the answers were lost. Then the member has to join again to get its tasks back.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Random, silentLogger, systemClock } from '../../support/index.ts';
import { ownKafkaMissing } from '../../test/support/kafka-cluster.ts';
import { type ProxiedKafka, startProxiedKafka } from '../../test/support/kafka-nodes.ts';
import { until } from '../../test/support/until.ts';
import { newTopic, uniqueName } from '../testing/contract-fixtures.ts';
import { KafkaBroker } from './index.ts';

const heartbeat = 12;
const missing = ownKafkaMissing();
const title = 'a member whose heartbeats are not answered';

describe.skipIf(missing !== undefined)(missing ? `${title} (skipped: ${missing})` : title, () => {
  let kafka: ProxiedKafka;
  let broker: KafkaBroker;

  beforeAll(async () => {
    kafka = await startProxiedKafka(new Random(1));
    broker = new KafkaBroker({
      ...{ bootstrapServers: kafka.proxiedServers, clientId: 'lost-heartbeats' },
      ...{ clock: systemClock, logger: silentLogger },
    });
    await broker.connect();
  });

  afterAll(async () => {
    await broker?.close();
    await kafka?.stop();
  });

  test('gives its tasks up, and gets them back though Kafka never missed it', async () => {
    const topic = await newTopic(broker, 2);
    const assigned: number[] = [];
    const member = await broker.joinGroup({
      group: uniqueName('group'),
      instanceId: 'one',
      taskGroups: [{ id: 'tasks', topics: [topic] }],
      sessionTimeoutMs: 2_000,
      onAssignment: (tasks) => void assigned.push(tasks.length),
    });
    await until('tasks', () => assigned.at(-1) === 2);
    kafka.proxy.faults.judge = ({ apiKey, direction }) =>
      apiKey === heartbeat && direction === 'answer' ? 'lose' : 'pass';
    await until('no tasks', () => assigned.includes(0));
    kafka.proxy.heal();
    await until('tasks again', () => assigned.at(-1) === 2);
    expect(assigned[0]).toBe(2);
    await member.leave();
  });
});
