// What was acknowledged is there when the log is opened again.

import { expect, it } from 'vitest';
import {
  appendOf,
  type BrokerUnderTest,
  newTopic,
  readRows,
  readValues,
  uniqueName,
} from './contract-fixtures.ts';

export function durabilityCases(create: () => Promise<BrokerUnderTest>): void {
  it('keeps topics, records, offsets and positions over a reopen', async () => {
    const underTest = await create();
    const { broker } = underTest;
    const configs = { 'retention.ms': '-1' };
    const topic = await newTopic(broker, 2, configs);
    const [group, id] = [uniqueName('group'), uniqueName('tx')];
    const plain = await broker.openWriter();
    await plain.append([appendOf(topic, 0, ['a', 'b'])]);
    const writer = await broker.openTransactionalWriter(id);
    const offsets = [{ topic, partition: 0, offset: 2, metadata: 'm' }];
    await writer.commit({ appends: [appendOf(topic, 1, ['c'])], group, offsets });

    const again = await underTest.reopen!();
    await again.createTopics([{ name: topic, partitions: 2, replicationFactor: 1, configs }]);
    expect((await again.describeTopics([topic]))[0]).toMatchObject({ partitions: 2, configs });
    expect(await readValues(again, { topic, partition: 0 }, 2)).toEqual(['a', 'b']);
    expect(await readValues(again, { topic, partition: 1 }, 1)).toEqual(['c']);
    expect(await again.committedOffsets(group, [{ topic, partition: 0 }])).toEqual(offsets);
    const next = await again.openTransactionalWriter(id);
    const [at] = await next.commit({ appends: [appendOf(topic, 1, ['d'])], group, offsets: [] });
    const [last] = await readRows(again, { topic, partition: 1 }, 1, at!.baseOffset);
    expect(last?.offset).toBe(at!.baseOffset);
    expect(at!.baseOffset).toBeGreaterThan(0);
    await underTest.close();
  });

  it('keeps deleted positions deleted over a reopen', async () => {
    const underTest = await create();
    const { broker } = underTest;
    const topic = await newTopic(broker);
    const group = uniqueName('group');
    const writer = await broker.openTransactionalWriter(uniqueName('tx'));
    const offsets = [{ topic, partition: 0, offset: 1, metadata: '' }];
    await writer.commit({ appends: [appendOf(topic, 0, ['a'])], group, offsets });
    await writer.close();
    await broker.deleteOffsets(group);

    const again = await underTest.reopen!();
    expect(await again.committedOffsets(group, [{ topic, partition: 0 }])).toEqual([]);
    await underTest.close();
  });
}
