// R13: poison while nobody takes dead letters. All partitions of `dead-letters` lie on one node, which is stopped in order (a
// sole replica that was killed does not count as in sync when it is back) while good and bad points flow. A task that has met
// poison stands before it and says why, and its process is not ready until the end; who reads no points works on. When the node is
// back all go on by themselves: the proof finds each bad record once in `dead-letters`, each good one once in `assignments`.
import { topics } from '../../schemas/index.ts';
import { dumpTopic } from '../support/dump-topic.ts';
import { eventually, sleep } from '../support/meanstream-process.ts';
import { textOf } from '../support/recorded-run.ts';
import { type Counts, count, type FieldRow, roundsOf } from './chaos-row.ts';
import { type Field, patienceMs } from './field.ts';

/** Longer than a commit is tried: each task has closed, and come back to the same poison. */
const watchMs = 13_000;
const poisonRows = 40;
const names = ['one', 'two'] as const;

export const deadLettersDown: FieldRow = {
  id: 'R13',
  fault: 'poison while dead letters are down',
  async run(field, scale) {
    const counts: Counts = {};
    field.startFeeding();
    for (const name of names) if (!field.processors.has(name)) field.start(name);
    await field.untilAllRun();
    for (const round of roundsOf(scale, 1, 5)) await outage(field, `poison-${round}-`, counts);
    return counts;
  },
};

async function outage(field: Field, mark: string, counts: Counts): Promise<void> {
  const nodes = field.nodes!;
  const index = field.random.below(nodes.count);
  await nodes.moveTo(topics.deadLetters, index);
  await field.untilProgress();
  field.say(`node ${index + 1}, which alone has the dead letters: clean`);
  await nodes.stopNode(index, 'clean');
  await field.feedPoison(mark, poisonRows);
  for (const name of names) await untilToldWhy(field, name);
  await watchReadiness(field);
  await untilOthersRun(field);
  count(counts, 'outages');
  count(counts, 'partitions that stood', await partitionsThatStand(field, mark));
  field.say('  starting it again');
  await nodes.startNode(index);
  await nodes.whole();
  await field.untilAllRun();
  await field.untilProgress();
}

/** Each of its tasks that reads points names the dead letters. */
async function untilToldWhy(field: Field, name: string): Promise<void> {
  const processor = field.at(name);
  await eventually(
    `${name} to name the dead letters`,
    async () => {
      const readers = (await processor.tasks()).filter(({ taskId }) => taskId.startsWith('assign'));
      return readers.every(({ reason }) => reason?.includes(topics.deadLetters));
    },
    patienceMs,
  );
}

/** A task that runs again, and tries the same commit, is as little ready as one that is closed. */
async function watchReadiness(field: Field): Promise<void> {
  const endMs = Date.now() + watchMs;
  while (Date.now() < endMs) {
    for (const name of names) {
      const status = await field.at(name).readiness();
      if (status !== 503) field.find(`${name} answered ${status} while dead letters were down`);
    }
    await sleep(100);
  }
}

/** The owner of the model and who watches for drift have no poison to give away. */
async function untilOthersRun(field: Field): Promise<void> {
  await eventually('the other tasks', async () => {
    const running = await Promise.all(names.map((name) => field.at(name).running()));
    return ['fold_0', 'detect-drift_0'].every((task) => running.flat().includes(task));
  });
}

/** A finding for each partition whose offset has passed poison that nobody can have taken. */
async function partitionsThatStand(field: Field, mark: string): Promise<number> {
  const points = await dumpTopic(field.deployment.broker, topics.points);
  let stand = 0;
  for (const { partition, offset } of await field.committedPoints()) {
    const poison = points.find(
      (point) => point.partition === partition && textOf(point.key).startsWith(mark),
    );
    if (poison === undefined) field.find(`no poison was fed to partition ${partition}`);
    else if (offset <= poison.offset) stand += 1;
    else field.find(`partition ${partition} went to ${offset}, past poison at ${poison.offset}`);
  }
  return stand;
}
