import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { EmbeddedBroker } from '../broker/embedded/index.ts';
import { type Append, appendOnce, type Broker } from '../broker/index.ts';
import {
  commandAppend,
  decodeRetrainState,
  encodeRetrainCommand,
  RecordBatchBuilder,
  type RetrainCommand,
  type RetrainJob,
  type RetrainState,
  topicSpecs,
  topics,
} from '../schemas/index.ts';
import {
  DependencyDownError,
  InvalidSettingError,
  silentLogger,
  systemClock,
} from '../support/index.ts';
import { dumpTopic } from '../test/support/dump-topic.ts';
import { eventually } from '../test/support/meanstream-process.ts';
import { JobLog, unfinishedJob } from './distributed/job-log.ts';
import { RetrainRunner, type RunRetrainCommand, refuseWhileServed } from './retrain-runner.ts';

const instance = { application: 'test', sessionTimeoutMs: 10_000 };
const plain = { clock: systemClock, logger: silentLogger };
let folder: string;
let broker: Broker;
const runners: RetrainRunner[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meanstream-runner-'));
  broker = new EmbeddedBroker({ dataDir: join(folder, 'log'), ...plain });
  await broker.connect();
  await broker.createTopics(
    topicSpecs({ partitions: 1, replicationFactor: 1, pointsRetentionMs: -1 }),
  );
});
afterEach(async () => {
  for (const runner of runners.splice(0)) await runner.stop();
  await broker.close();
  await rm(folder, { recursive: true });
});

async function serve(
  instanceId: string,
  run: RunRetrainCommand,
  clock = systemClock,
): Promise<RetrainRunner> {
  const runner = new RetrainRunner({ broker, ...instance, ...plain, clock, instanceId, run });
  runners.push(runner);
  await runner.start();
  return runner;
}

const jobOf = (request: string): RetrainJob => ({
  ...{ type: 'job', job: `of ${request}`, request, ranges: [], shape: { dims: 1, features: [] } },
  ...{ metric: 'euclidean', missing: 'reject', seed: 1, plan: null },
});

const utf8 = new TextEncoder();

async function ask(...commands: Partial<RetrainCommand>[]): Promise<void> {
  const records = new RecordBatchBuilder();
  for (const given of commands) {
    const by = { requestedBy: 'test', reason: 'test', timestampMs: 1 };
    const command = { command: 'retrain', trigger: 'schedule', ...by, ...given } as const;
    records.append(1, null, encodeRetrainCommand(command));
  }
  const writer = await broker.openWriter();
  await writer.append([{ topic: topics.modelCommands, partition: 0, records }]);
  await writer.close();
}

/** A version as a job would publish it, here only a name. */
function published(name: string): Append {
  const records = new RecordBatchBuilder();
  records.append(1, utf8.encode(name), utf8.encode(name));
  return { topic: topics.models, partition: 0, records };
}

const report = {
  ...{ version: '1.1.0', parent: '1.0.0', points: 10, inertia: 1, parentInertia: 2 },
  ...{
    promoted: true,
    durationMs: 5,
    ranges: [],
    history: { exactPoints: 0, summaryPoints: 0, summaryRows: 0, exactShare: 1, coreset: null },
    iterations: 1,
    idsKept: 1,
  },
};

async function states(): Promise<Map<string, RetrainState>> {
  const records = await dumpTopic(broker, topics.retrains);
  const all = records.map(({ value }) => decodeRetrainState(value!));
  return new Map(all.map((state) => [state.id, state]));
}

async function cancel(id: string): Promise<void> {
  const by = { requestedBy: 'test', reason: 'not now', timestampMs: 1 };
  const value = encodeRetrainCommand({ command: 'cancel-retrain', id, ...by });
  await appendOnce(broker, [commandAppend(value, by.timestampMs)]);
}

const stateOf = async (id: string) => (await states()).get(id)?.state;
const versions = async () =>
  (await dumpTopic(broker, topics.models)).map(({ key }) => new TextDecoder().decode(key!));

it('runs what is asked for, one after the other, and says what became of it', async () => {
  let running = 0;
  let together = 0;
  await ask({ trigger: 'hand', k: 3 }, { trigger: 'hand' });
  await serve('a', async ({ k }, { write, onProgress }) => {
    running += 1;
    together = Math.max(together, running);
    onProgress({ phase: 'fit', share: null, text: 'run 1' });
    await systemClock.sleep(20);
    running -= 1;
    if (k === 3) throw new InvalidSettingError('there are fewer points than that');
    await write([published('1.1.0')]);
    return report;
  });
  await eventually('the first has failed', async () => (await stateOf('0')) === 'failed');
  await eventually('the second is done', async () => (await states()).get('1')?.report);
  expect(together).toBe(1);
  expect((await states()).get('0')!.error).toEqual({
    code: 'MEANSTREAM_INVALID_SETTING',
    detail: 'there are fewer points than that',
  });
  expect((await states()).get('1')).toMatchObject({
    ...{ state: 'done', runner: 'a', report: { version: '1.1.0', promoted: true } },
  });
  expect(await versions()).toEqual(['1.1.0']);
});

it('runs one for many that nobody made by hand, and every one that somebody did', async () => {
  await ask({}, { trigger: 'drift' }, { trigger: 'hand' }, {}, { trigger: 'points' }, { k: 9 });
  const ran: (number | undefined)[] = [];
  await serve('a', async ({ k }, { write }) => {
    ran.push(k);
    await write([]);
    return report;
  });
  await eventually('all are answered', async () => (await stateOf('5')) === 'done');
  const all = [...(await states()).values()].sort((a, b) => Number(a.id) - Number(b.id));
  const said = all.map(({ state }) => state);
  expect(said).toEqual(['skipped', 'skipped', 'done', 'skipped', 'done', 'done']);
  expect(ran).toEqual([undefined, undefined, 9]);
  expect(all[0]!.error?.code).toBe('MEANSTREAM_RETRAIN_COVERED');
});

it('gives a job that was interrupted to the next leader, and refuses what the old one still wants to publish', async () => {
  await ask({ trigger: 'hand' });
  let wakeUp = () => {};
  const asleep = new Promise<void>((resolve) => {
    wakeUp = resolve;
  });
  let late: Promise<unknown> | undefined;
  const frozen = await serve('frozen', async (_, { write }) => {
    await asleep;
    late = write([published('by the frozen one')]);
    await late;
    return report;
  });
  await eventually('it runs', async () => (await stateOf('0')) === 'running');
  // As when the group has given up a process that does not answer: another one opens the writer.
  expect(frozen.isLeader).toBe(true);
  const takenOver = await broker.openTransactionalWriter('test-retrains');
  await takenOver.close();
  wakeUp();
  await eventually('it was refused', () => late !== undefined);
  await expect(late).rejects.toMatchObject({ code: 'MEANSTREAM_TASK_MIGRATED' });
  expect(await versions()).toEqual([]);
  await frozen.stop();
  await serve('next', async (_, { write }) => {
    await write([published('by the next one')]);
    return report;
  });
  await eventually('the next one has run it', async () => (await stateOf('0')) === 'done');
  expect(await versions()).toEqual(['by the next one']);
});

it('rests longer after each passing fault of a job, up to a maximum, and shortly again once one has ended', async () => {
  await ask({ trigger: 'hand' });
  const rests: number[] = [];
  const sleep = (ms: number, signal?: AbortSignal) => {
    if (ms >= 1_000) rests.push(ms / 1_000);
    return systemClock.sleep(Math.min(ms, 5), signal);
  };
  const faults = [7, 0, 1];
  const run: RunRetrainCommand = async (_, { request, write }) => {
    faults[Number(request)]! -= 1;
    if (faults[Number(request)]! >= 0) throw new DependencyDownError('the bucket is away');
    await write([published(`by ${request}`)]);
    return report;
  };
  await serve('a', run, { ...systemClock, sleep });
  await eventually('the first is done', async () => (await stateOf('0')) === 'done');
  expect(rests.splice(0)).toEqual([1, 2, 4, 8, 16, 30, 30]);
  await ask({ trigger: 'hand' }, { trigger: 'hand' });
  await eventually('all are done', async () => (await stateOf('2')) === 'done');
  expect(rests).toEqual([1]);
  expect(await versions()).toEqual(['by 0', 'by 1', 'by 2']);
});

it('refuses a retrain by hand while it serves, and of two that began at one moment one publishes', async () => {
  await refuseWhileServed(broker, 'test');
  await ask({ trigger: 'hand' });
  let runs = 0;
  let goOn = () => {};
  const manualBegan = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  await serve('server', async (_, { write }) => {
    runs += 1;
    await manualBegan;
    await write([published(`run ${runs}`)]);
    return report;
  });
  await eventually('it runs', async () => (await stateOf('0')) === 'running');
  await expect(refuseWhileServed(broker, 'test')).rejects.toMatchObject({
    code: 'MEANSTREAM_REFUSED',
  });
  // As when it had looked just before the server came.
  const manual = await JobLog.open({ broker, application: 'test', clock: systemClock });
  goOn();
  await eventually('the server begins again', async () => (await stateOf('0')) === 'done');
  const end = { type: 'end', job: 'manual', outcome: 'done', reason: '' } as const;
  await expect(manual.end(end, [published('by hand')])).rejects.toMatchObject({
    code: 'MEANSTREAM_JOB_CANCELLED',
  });
  await manual.close();
  expect(runs).toBe(2);
  expect(await versions()).toEqual(['run 2']);
});

it('ends a job that is cancelled while it runs: with its end on the log of jobs, and nothing published', async () => {
  await ask({ trigger: 'hand' }, { trigger: 'hand' });
  let runs = 0;
  await serve('a', async (_, { request, writer, signal, write }) => {
    runs += 1;
    if (request !== '0') {
      await write([published('the second')]);
      return report;
    }
    const log = await JobLog.open({ broker, application: 'test', clock: systemClock, writer });
    await log.begin(jobOf(request), []);
    await systemClock.sleep(60_000, signal);
    await write([published('the first')]);
    return report;
  });
  await eventually('it runs', async () => (await stateOf('0')) === 'running');
  await eventually('it is begun', () => unfinishedJob({ broker, application: 'test' }));
  await cancel('0');
  await eventually('the second is done', async () => (await stateOf('1')) === 'done');
  expect((await states()).get('0')).toMatchObject({
    state: 'cancelled',
    report: null,
    error: { code: 'MEANSTREAM_JOB_CANCELLED', detail: 'Cancelled by test: not now' },
  });
  expect(await unfinishedJob({ broker, application: 'test' })).toBeUndefined();
  expect(await versions()).toEqual(['the second']);
  expect(runs).toBe(2);
  await cancel('1');
  await ask({ trigger: 'hand' });
  await eventually('the third is done', async () => (await stateOf('4')) === 'done');
  expect(await stateOf('1')).toBe('done');
});

it('does not begin what was cancelled before, nor lets it cover another', async () => {
  await ask({}, { trigger: 'hand' }, {});
  await cancel('1');
  await cancel('2');
  const ran: string[] = [];
  await serve('a', async (_, { request, write }) => {
    ran.push(request);
    await write([]);
    return report;
  });
  await eventually('all are answered', async () => (await stateOf('2')) === 'cancelled');
  expect(await stateOf('1')).toBe('cancelled');
  expect(ran).toEqual(['0']);
});

it('ends the job of a dead leader when its request is cancelled', async () => {
  await ask({ trigger: 'hand' });
  const options = { broker, application: 'test', clock: systemClock };
  const dead = await JobLog.open(options);
  await dead.begin(jobOf('0'), []);
  await dead.close();
  await cancel('0');
  await serve('next', async () => report);
  await eventually('it is cancelled', async () => (await stateOf('0')) === 'cancelled');
  expect(await unfinishedJob(options)).toBeUndefined();
});

it('has one leader of two, and the other goes on when it leaves', async () => {
  const by: string[] = [];
  const run =
    (name: string): RunRetrainCommand =>
    async (_, { write }) => {
      by.push(name);
      await write([]);
      return report;
    };
  const both = [await serve('a', run('a')), await serve('b', run('b'))];
  const leaders = () => both.filter(({ isLeader }) => isLeader);
  await eventually('one leads', () => leaders().length === 1);
  const [first] = leaders();
  await ask({ trigger: 'hand' });
  await eventually('it is done', async () => (await stateOf('0')) === 'done');
  await first!.stop();
  await eventually('the other leads', () => leaders()[0] !== first);
  await ask({ trigger: 'hand' });
  await eventually('it is done', async () => (await stateOf('1')) === 'done');
  expect(new Set(by).size).toBe(2);
  expect(by).toHaveLength(2);
});
