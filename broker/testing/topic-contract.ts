// Topics are made, described and deleted.

import { expect, it } from 'vitest';
import { until } from '../../test/support/until.ts';
import { appendOf, newTopic, type SharedBroker, uniqueName } from './contract-fixtures.ts';

export function topicCases(shared: SharedBroker): void {
  it('describes a created topic with its partitions and configs', async () => {
    const broker = shared();
    const name = await newTopic(broker, 3, { 'cleanup.policy': 'compact', 'retention.ms': '-1' });
    const [description] = await broker.describeTopics([name]);
    expect(description).toMatchObject({ name, partitions: 3, replicationFactor: 1 });
    expect(description?.configs).toMatchObject({
      'cleanup.policy': 'compact',
      'retention.ms': '-1',
    });
  });

  it('leaves a topic that exists as it is', async () => {
    const broker = shared();
    const name = await newTopic(broker, 2, { 'cleanup.policy': 'compact' });
    const other = uniqueName('topic');
    const configs = { 'cleanup.policy': 'delete' };
    await broker.createTopics([
      { name, partitions: 5, replicationFactor: 1, configs },
      { name: other, partitions: 1, replicationFactor: 1, configs },
    ]);
    const [description] = await broker.describeTopics([name]);
    expect(description?.partitions).toBe(2);
    expect(description?.configs['cleanup.policy']).toBe('compact');
    expect(await broker.describeTopics([other])).toHaveLength(1);
  });

  it('leaves out topics that do not exist, and lists all when not asked for some', async () => {
    const broker = shared();
    const name = await newTopic(broker);
    const asked = await broker.describeTopics([uniqueName('missing'), name]);
    expect(asked.map((topic) => topic.name)).toEqual([name]);
    const all = await broker.describeTopics();
    expect(all.map((topic) => topic.name)).toContain(name);
  });

  it('begins a topic with empty partitions, in order', async () => {
    const broker = shared();
    const name = await newTopic(broker, 3);
    expect(await broker.listOffsets(name)).toEqual([
      { partition: 0, logStart: 0, end: 0 },
      { partition: 1, logStart: 0, end: 0 },
      { partition: 2, logStart: 0, end: 0 },
    ]);
  });

  it('forgets a deleted topic with its records', async () => {
    const broker = shared();
    const name = await newTopic(broker);
    const writer = await broker.openWriter();
    await writer.append([appendOf(name, 0, ['a'])]);
    await writer.close();
    await broker.deleteTopics([name]);
    await until('the topic is gone', async () => {
      return (await broker.describeTopics([name])).length === 0;
    });
    await until('the topic is there again, empty', async () => {
      await broker.createTopics([{ name, partitions: 1, replicationFactor: 1, configs: {} }]);
      const [description] = await broker.describeTopics([name]);
      return description !== undefined && (await broker.listOffsets(name))[0]?.end === 0;
    });
  });
}
