import { describe, expect, inject, test } from 'vitest';
import { silentLogger, systemClock } from '../../support/index.ts';
import { titleWith } from '../../test/support/kafka-cluster.ts';
import { until } from '../../test/support/until.ts';
import type { AssignedTask, JoinOptions } from '../broker.ts';
import { codeOf, newTopic, uniqueName } from '../testing/contract-fixtures.ts';
import { Connections } from './connections.ts';
import { GroupMembership } from './group-membership.ts';
import { KafkaBroker } from './index.ts';

const kafka = inject('kafka');
const options = {
  bootstrapServers: 'unavailable' in kafka ? '' : kafka.bootstrapServers,
  clientId: 'group-test',
  clock: systemClock,
  logger: silentLogger,
};

describe.skipIf('unavailable' in kafka)(titleWith(kafka, 'a member of a group'), () => {
  /** A process of its own, as far as Kafka can see. */
  async function member(joining: Omit<JoinOptions, 'onAssignment'>) {
    const connections = new Connections(options);
    await connections.connect();
    const heard: (readonly AssignedTask[])[] = [];
    const onAssignment = (tasks: readonly AssignedTask[]) => heard.push(tasks);
    const membership = await GroupMembership.join(connections, { ...joining, onAssignment }, 'm');
    return { membership, connections, heard, tasks: () => heard.at(-1)!.length };
  }

  async function pipeline(topicPartitions: number, sessionTimeoutMs: number) {
    const broker = new KafkaBroker(options);
    await broker.connect();
    const topic = await newTopic(broker, topicPartitions);
    await broker.close();
    const taskGroups = [{ id: 'assign', topics: [topic] }];
    return { group: uniqueName('group'), taskGroups, sessionTimeoutMs };
  }

  test('that dies without a word gives its tasks to the others within a session', async () => {
    const joining = await pipeline(4, 1_500);
    const first = await member({ ...joining, instanceId: 'one' });
    const second = await member({ ...joining, instanceId: 'two' });
    await until('both have two', () => first.tasks() === 2 && second.tasks() === 2);
    await second.connections.close();
    await until('the first has all', () => first.tasks() === 4);
    await first.membership.leave();
    await first.connections.close();
  });

  test('that Kafka has expelled hears that it has no tasks, and comes back', async () => {
    const joining = await pipeline(2, 10_000);
    const only = await member({ ...joining, instanceId: 'one' });
    const { group } = joining;
    const { memberId } = only.membership;
    const node = await only.connections.coordinator('group', group, 'requests');
    await node.call('LeaveGroup', { groupId: group, memberId });
    await until('it is back', () => only.heard.length >= 3);
    expect(only.heard.map((tasks) => tasks.length)).toEqual([2, 0, 2]);
    expect(only.membership.memberId).not.toBe(memberId);
    await only.membership.leave();
    await only.connections.close();
  });

  test('that loses its connections stays a member', async () => {
    const joining = await pipeline(2, 10_000);
    const only = await member({ ...joining, instanceId: 'one' });
    const { memberId } = only.membership;
    for (let round = 0; round < 3; round += 1) {
      await only.connections.closeLane('m');
      await only.connections.closeLane('requests');
      await systemClock.sleep(600);
    }
    expect(only.membership.memberId).toBe(memberId);
    expect(only.tasks()).toBe(2);
    await only.membership.leave();
    await only.connections.close();
  });

  test('that asks for more than Kafka allows is refused, not left waiting', async () => {
    const joining = await pipeline(1, 50);
    expect(await codeOf(member({ ...joining, instanceId: 'one' }))).toBe('MEANSTREAM_FATAL');
  });

  test('hears of tasks when a topic is made that was missing', async () => {
    const topic = uniqueName('topic');
    const taskGroups = [{ id: 'assign', topics: [topic] }];
    const joining = { group: uniqueName('group'), taskGroups, sessionTimeoutMs: 6_000 };
    const only = await member({ ...joining, instanceId: 'one' });
    expect(only.tasks()).toBe(0);
    const broker = new KafkaBroker(options);
    await broker.connect();
    await broker.createTopics([{ name: topic, partitions: 3, replicationFactor: 1, configs: {} }]);
    await until('it has three', () => only.tasks() === 3);
    await broker.close();
    await only.membership.leave();
    await only.connections.close();
  });
});
