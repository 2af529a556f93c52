// Groups: every task has one owner, shares are even, and a task's topics stay together.

import { afterEach, expect, it } from 'vitest';
import { until } from '../../test/support/until.ts';
import type { AssignedTask, Broker, GroupMember, TaskGroup, TopicPartition } from '../broker.ts';
import { appendOf, codeOf, newTopic, type SharedBroker, uniqueName } from './contract-fixtures.ts';

interface Joined {
  readonly member: GroupMember;
  /** The last assignment heard, as sorted "group/partition", undefined before the first. */
  tasks(): string[] | undefined;
}

export function groupCases(shared: SharedBroker): void {
  const living: GroupMember[] = [];
  afterEach(async () => {
    for (const member of living.splice(0)) await member.leave();
  });

  async function join(group: string, instanceId: string, taskGroups: TaskGroup[]): Promise<Joined> {
    let last: readonly AssignedTask[] | undefined;
    const member = await shared().joinGroup({
      group,
      instanceId,
      taskGroups,
      sessionTimeoutMs: 10_000,
      onAssignment: (tasks) => {
        last = tasks;
      },
    });
    living.push(member);
    return { member, tasks: () => last?.map((task) => `${task.group}/${task.partition}`).sort() };
  }

  async function taskGroup(broker: Broker, id: string, partitions: number): Promise<TaskGroup> {
    return { id, topics: [await newTopic(broker, partitions), await newTopic(broker, partitions)] };
  }

  const all = (id: string, partitions: number): string[] =>
    Array.from({ length: partitions }, (_, partition) => `${id}/${partition}`);

  it('gives a lone member all tasks, each once though it has several topics', async () => {
    const groups = [await taskGroup(shared(), 'a', 3), await taskGroup(shared(), 'b', 1)];
    const only = await join(uniqueName('group'), 'one', groups);
    await until('it has all', () => only.tasks()?.length === 4);
    expect(only.tasks()).toEqual([...all('a', 3), 'b/0']);
  });

  it('shares the tasks of two members evenly, and gives all to the one that stays', async () => {
    const groups = [await taskGroup(shared(), 'a', 4)];
    const group = uniqueName('group');
    const first = await join(group, 'one', groups);
    await until('the first has all', () => first.tasks()?.length === 4);
    const second = await join(group, 'two', groups);
    await until('both have two', () => {
      return first.tasks()?.length === 2 && second.tasks()?.length === 2;
    });
    expect([...first.tasks()!, ...second.tasks()!].sort()).toEqual(all('a', 4));
    await second.member.leave();
    await until('the first has all again', () => first.tasks()?.length === 4);
  });

  it('moves no more tasks than evenness asks for', async () => {
    const groups = [await taskGroup(shared(), 'a', 6)];
    const group = uniqueName('group');
    const first = await join(group, 'one', groups);
    const second = await join(group, 'two', groups);
    await until('both have three', () => {
      return first.tasks()?.length === 3 && second.tasks()?.length === 3;
    });
    const before = [new Set(first.tasks()), new Set(second.tasks())] as const;
    const third = await join(group, 'three', groups);
    await until('all have two', () => {
      return [first, second, third].every((joined) => joined.tasks()?.length === 2);
    });
    expect(first.tasks()!.every((task) => before[0].has(task))).toBe(true);
    expect(second.tasks()!.every((task) => before[1].has(task))).toBe(true);
    const found = [first, second, third].flatMap((joined) => joined.tasks()!);
    expect(found.sort()).toEqual(all('a', 6));
  });

  it('tells a member without a task so', async () => {
    const groups = [await taskGroup(shared(), 'a', 1)];
    const group = uniqueName('group');
    const first = await join(group, 'one', groups);
    await until('the first has it', () => first.tasks()?.length === 1);
    const second = await join(group, 'two', groups);
    await until('the second knows', () => second.tasks()?.length === 0);
    await until('the first has kept it', () => first.tasks()?.length === 1);
  });

  it('counts the living members of a group', async () => {
    const broker = shared();
    const groups = [await taskGroup(broker, 'a', 2)];
    const group = uniqueName('group');
    expect(await broker.groupMembers(group)).toBe(0);
    const first = await join(group, 'one', groups);
    await until('one', async () => (await broker.groupMembers(group)) === 1);
    const second = await join(group, 'two', groups);
    await until('two', async () => (await broker.groupMembers(group)) === 2);
    expect(first.member.memberId).not.toBe(second.member.memberId);
    await second.member.leave();
    await second.member.leave();
    await until('one again', async () => (await broker.groupMembers(group)) === 1);
    await first.member.leave();
    await until('none', async () => (await broker.groupMembers(group)) === 0);
  });

  it('forgets the committed positions of a group, and those of no other', async () => {
    const broker = shared();
    const [first, second] = [await newTopic(broker, 2), await newTopic(broker)];
    const [group, other] = [uniqueName('group'), uniqueName('group')];
    const asked = [0, 1].map((partition) => ({ topic: first, partition }));
    asked.push({ topic: second, partition: 0 });
    await commitAt(broker, group, asked);
    await commitAt(broker, other, asked);
    await broker.deleteOffsets(group);
    expect(await broker.committedOffsets(group, asked)).toEqual([]);
    expect(await broker.committedOffsets(other, asked)).toHaveLength(3);
    await commitAt(broker, group, asked.slice(0, 1));
    expect(await broker.committedOffsets(group, asked)).toHaveLength(1);
  });

  it('forgets the positions of a group twice, and of one that nobody knows, without harm', async () => {
    const broker = shared();
    const asked = [{ topic: await newTopic(broker), partition: 0 }];
    const group = uniqueName('group');
    await broker.deleteOffsets(group);
    await commitAt(broker, group, asked);
    await broker.deleteOffsets(group);
    await broker.deleteOffsets(group);
    expect(await broker.committedOffsets(group, asked)).toEqual([]);
  });

  it('keeps the positions of a group while it has live members', async () => {
    const broker = shared();
    const tasks = await taskGroup(broker, 'a', 1);
    const asked = [{ topic: tasks.topics[0]!, partition: 0 }];
    const group = uniqueName('group');
    await commitAt(broker, group, asked);
    const only = await join(group, 'one', [tasks]);
    await until('it has the task', () => only.tasks()?.length === 1);
    expect(await codeOf(broker.deleteOffsets(group))).toBe('MEANSTREAM_REFUSED');
    expect(await broker.committedOffsets(group, asked)).toHaveLength(1);
    await only.member.leave();
    await until('it has left', async () => (await broker.groupMembers(group)) === 0);
    await broker.deleteOffsets(group);
    expect(await broker.committedOffsets(group, asked)).toEqual([]);
  });
}

/** A transaction that moves the group to offset 1 of each partition. */
async function commitAt(
  broker: Broker,
  group: string,
  partitions: readonly TopicPartition[],
): Promise<void> {
  const writer = await broker.openTransactionalWriter(uniqueName('tx'));
  const offsets = partitions.map((partition) => ({ ...partition, offset: 1, metadata: '' }));
  await writer.commit({ appends: [appendOf(partitions[0]!.topic, 0, ['a'])], group, offsets });
  await writer.close();
}
