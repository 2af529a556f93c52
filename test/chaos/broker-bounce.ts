// R3: three brokers (RF 3, min ISR 2), stopped in order and by kill -9: the leader of an input, the coordinator's node, and
// all of them one after the other. After each the cluster is whole again before the next one goes.
import { sleep } from '../support/meanstream-process.ts';
import { type Counts, count, type FieldRow, roundsOf } from './chaos-row.ts';
import type { Field } from './field.ts';

export const brokerBounce: FieldRow = {
  id: 'R3',
  fault: 'broker bounce, clean and hard, of three',
  async run(field, scale) {
    const counts: Counts = {};
    const nodes = field.nodes!;
    field.startFeeding();
    for (const name of ['one', 'two']) field.start(name);
    await field.untilAllRun();
    // A change affords a leader stopped and a coordinator killed; a night ten of each, and three times all in turn.
    for (const _ of roundsOf(scale, 1, 10)) {
      const leader = await nodes.leaderOf('points', field.random.below(4));
      await bounce(field, counts, leader, 'clean');
      await bounce(field, counts, await coordinatorNode(field), 'kill');
    }
    for (const round of roundsOf(scale, 0, 3)) {
      for (let index = 0; index < nodes.count; index += 1) {
        await bounce(field, counts, index, round % 2 === 0 ? 'clean' : 'kill');
      }
      count(counts, 'rolling');
    }
    return counts;
  },
};

/** Where one of the transaction log's partitions is led; the other partitions lie on the other nodes. */
function coordinatorNode(field: Field): Promise<number> {
  return field.nodes!.leaderOf('__transaction_state', field.random.below(4));
}

async function bounce(
  field: Field,
  counts: Counts,
  index: number,
  how: 'clean' | 'kill',
): Promise<void> {
  const nodes = field.nodes!;
  field.say(`node ${index + 1}: ${how}`);
  await sleep(field.random.below(500));
  await nodes.stopNode(index, how);
  count(counts, how === 'clean' ? 'stopped' : 'killed');
  field.say('  waiting for progress on the other two');
  await field.untilProgress();
  field.say('  starting it again');
  await nodes.startNode(index);
  await nodes.whole();
  field.say('  all replicas are in sync');
  await field.untilAllRun();
  await field.untilProgress();
}
