import { describe, expect, inject, test } from 'vitest';
import { silentLogger, systemClock } from '../../support/index.ts';
import { titleWith } from '../../test/support/kafka-cluster.ts';
import { until } from '../../test/support/until.ts';
import type { CommittedOffset, JoinOptions } from '../broker.ts';
import {
  appendOf,
  codeOf,
  newTopic,
  readValues,
  uniqueName,
} from '../testing/contract-fixtures.ts';
import { Connections } from './connections.ts';
import { GroupMembership } from './group-membership.ts';
import { KafkaBroker } from './index.ts';
import { KafkaAcknowledgedWriter } from './kafka-acknowledged-writer.ts';
import { TopicLimits } from './topic-limits.ts';

const kafka = inject('kafka');
const options = {
  bootstrapServers: 'unavailable' in kafka ? '' : kafka.bootstrapServers,
  clientId: 'acknowledged-test',
  clock: systemClock,
  logger: silentLogger,
};
const migrated = 'MEANSTREAM_TASK_MIGRATED';

describe.skipIf('unavailable' in kafka)(titleWith(kafka, 'a writer for at least once'), () => {
  async function connected(): Promise<KafkaBroker> {
    const broker = new KafkaBroker(options);
    await broker.connect();
    return broker;
  }

  function joining(group: string, topic: string): JoinOptions {
    return {
      ...{ group, instanceId: uniqueName('member'), sessionTimeoutMs: 10_000 },
      ...{ taskGroups: [{ id: 'assign', topics: [topic] }], onAssignment: () => {} },
    };
  }

  const at = (topic: string, offset: number): CommittedOffset => {
    return { topic, partition: 0, offset, metadata: 'stream-time=5' };
  };

  test('appends, and then moves the offsets of the group', async () => {
    const broker = await connected();
    const [input, output] = [await newTopic(broker), await newTopic(broker)];
    const group = uniqueName('group');
    await broker.joinGroup(joining(group, input));
    const writer = await broker.openTransactionalWriter(uniqueName('tx'), 'at_least_once');
    const appends = (values: string[]) => [appendOf(output, 0, values)];
    await writer.commit({ appends: appends(['a', 'b']), group, offsets: [at(input, 7)] });
    const second = { appends: appends(['c']), group, offsets: [at(input, 9)] };
    expect(await writer.commit(second)).toEqual([{ topic: output, partition: 0, baseOffset: 2 }]);
    expect(await broker.committedOffsets(group, [at(input, 0)])).toEqual([at(input, 9)]);
    expect(await readValues(broker, { topic: output, partition: 0 }, 3)).toEqual(['a', 'b', 'c']);
    await broker.close();
  });

  test('moves no offsets for who is in no group, and is over', async () => {
    const broker = await connected();
    const [input, output] = [await newTopic(broker), await newTopic(broker)];
    const group = uniqueName('group');
    const writer = await broker.openTransactionalWriter(uniqueName('tx'), 'at_least_once');
    const transaction = {
      ...{ appends: [appendOf(output, 0, ['a'])], group },
      offsets: [at(input, 1)],
    };
    expect(await codeOf(writer.commit(transaction))).toBe(migrated);
    expect(await broker.committedOffsets(group, [at(input, 0)])).toEqual([]);
    expect(await readValues(broker, { topic: output, partition: 0 }, 1)).toEqual(['a']);
    expect(await codeOf(writer.commit(transaction))).toBe('MEANSTREAM_RETRIABLE');
    await broker.close();
  });

  test('of a member of an older generation moves no offsets', async () => {
    const broker = await connected();
    const [input, output] = [await newTopic(broker), await newTopic(broker)];
    const group = uniqueName('group');
    const connections = new Connections(options);
    await connections.connect();
    const first = await GroupMembership.join(connections, joining(group, input), 'first');
    const older = first.identity!;
    const writer = await KafkaAcknowledgedWriter.open({
      ...{ connections, limits: new TopicLimits(connections), lane: 'writer' },
      ...{ transactionalId: uniqueName('tx'), transactionTimeoutMs: 10_000 },
      identityIn: () => older,
    });
    const commit = (offset: number) =>
      writer.commit({
        ...{ appends: [appendOf(output, 0, [`to ${offset}`])], group },
        offsets: [at(input, offset)],
      });
    await commit(3);
    await broker.joinGroup(joining(group, input));
    await until('a newer generation', () => {
      return (first.identity?.groupGenerationId ?? 0) > older.groupGenerationId;
    });
    expect(await codeOf(commit(4))).toBe(migrated);
    expect(await broker.committedOffsets(group, [at(input, 0)])).toEqual([at(input, 3)]);
    await first.leave();
    await connections.close();
    await broker.close();
  });

  test('appends nothing where the next owner has written', async () => {
    const broker = await connected();
    const output = await newTopic(broker);
    const id = uniqueName('tx');
    const open = () => broker.openTransactionalWriter(id, 'at_least_once');
    const appended = (value: string) => {
      return { appends: [appendOf(output, 0, [value])], group: 'none', offsets: [] };
    };
    const older = await open();
    await older.commit(appended('older'));
    const newer = await open();
    await newer.commit(appended('newer'));
    expect(await codeOf(older.commit(appended('too late')))).toBe(migrated);
    await newer.commit(appended('newer still'));
    expect(await readValues(broker, { topic: output, partition: 0 }, 3)).toEqual([
      'older',
      'newer',
      'newer still',
    ]);
    await broker.close();
  });
});
