// In a rolling upgrade members of two releases are in one group: what one says the other must understand.

import { expect, test } from 'vitest';
import { MemberAssignment, MemberMetadata } from './kafkajs-internals.ts';
import { decodeNews, decodeTasks, encodeNews, encodeTasks } from './member-messages.ts';

const taskGroups = [{ id: 'fold', topics: ['deltas'], changelogs: ['fold-changelog'] }];
const fold = (partition: number) => ({ group: 'fold', partition });
const news = {
  ...{ instanceId: 'one', processId: 'one', taskGroups, takesReplicas: true },
  held: [
    { ...fold(0), active: true, offset: 'end' as const },
    { ...fold(1), active: true, offset: 70 },
    { ...fold(2), active: false, offset: 40 },
  ],
};

test('what a member tells arrives as it was', () => {
  expect(decodeNews(encodeNews(news))).toEqual(news);
});

test('a member of the first release is understood: it owns what it held, and takes no replicas', () => {
  const first = { version: 1, instanceId: 'old', taskGroups, held: [fold(3)] };
  expect(decodeNews(asMetadata(first))).toEqual({
    ...{ instanceId: 'old', processId: 'old', taskGroups, takesReplicas: false },
    held: [{ ...fold(3), active: true, offset: 'end' }],
  });
});

test('a leader of the first release finds in a newer message all that it reads', () => {
  const { userData } = MemberMetadata.decode(encodeNews(news));
  const { version, instanceId, held, taskGroups: groups } = JSON.parse(userData.toString('utf8'));
  expect({ version, instanceId, held }).toEqual({
    ...{ version: 1, instanceId: 'one' },
    held: [fold(0), fold(1)],
  });
  expect(groups[0]).toMatchObject({ id: 'fold', topics: ['deltas'] });
});

test('who cannot be understood gets nothing: another program, or a release too new', () => {
  expect(decodeNews(asMetadata({ version: 99, instanceId: 'new', taskGroups, held: [] }))).toBe(
    undefined,
  );
  expect(decodeNews(Buffer.from('not ours'))).toBe(undefined);
});

test('tasks and replicas arrive as they were, and without replicas from a leader of the first release', () => {
  const dealt = { tasks: [fold(0)], replicas: [{ ...fold(1), kind: 'standby' as const }] };
  expect(decodeTasks(encodeTasks(dealt, taskGroups))).toEqual(dealt);
  const userData = Buffer.from(JSON.stringify({ version: 1, tasks: [fold(0)] }));
  const old = MemberAssignment.encode({ version: 1, assignment: { deltas: [0] }, userData });
  expect(decodeTasks(old)).toEqual({ tasks: [fold(0)], replicas: [] });
  expect(decodeTasks(Buffer.alloc(0))).toEqual({ tasks: [], replicas: [] });
});

function asMetadata(message: object): Buffer {
  const userData = Buffer.from(JSON.stringify(message), 'utf8');
  return MemberMetadata.encode({ version: 1, topics: ['deltas'], userData });
}
