// Retrains by a schedule of seconds, on a real Kafka, with two processors and two processes that run the jobs; whoever asks and whoever
// works is killed with -9, again and again. No due time is asked for twice, every request has an outcome, no two jobs
// overlap, and every version is published by one request.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type CancelRetrainCommand,
  decodeModelCommand,
  decodeRetrainCommand,
  decodeRetrainState,
  type ModelCommand,
  type RetrainCommand,
  type RetrainState,
  topics,
} from '../schemas/index.ts';
import { dumpTopic } from './support/dump-topic.ts';
import { ownKafkaMissing } from './support/kafka-cluster.ts';
import { type DeployedProcessor, KafkaDeployment } from './support/kafka-deployment.ts';
import { eventually, type MeanstreamProcess, sleep } from './support/meanstream-process.ts';
import { Mixture } from './support/mixture.ts';

const missing = ownKafkaMissing();
const title = 'retrains by schedule on Kafka, with kills';
const servers = ['left', 'right'] as const;
const kills = 4;

describe.skipIf(missing !== undefined)(missing ? `${title} (skipped: ${missing})` : title, () => {
  let deployment: KafkaDeployment;
  const processors = new Map<string, DeployedProcessor>();
  const serving = new Map<string, MeanstreamProcess>();
  let killedAtWork = 0;
  let commands: {
    offset: number;
    command: ModelCommand | RetrainCommand | CancelRetrainCommand;
  }[] = [];
  let states: RetrainState[] = [];

  beforeAll(async () => {
    deployment = await KafkaDeployment.start({
      'model.k': 8,
      'session.timeout.ms': 3_000,
      'retrain.schedule': '*/2 * * * * *',
    });
    const mixture = new Mixture({ seed: 3, dims: 8, clusters: 8, badEvery: 0 });
    await deployment.write(Array.from({ length: 60_000 }, () => mixture.record()));
    for (const name of ['one', 'two']) processors.set(name, deployment.processor(name));
    for (const name of servers) serve(name);
    await eventually('a retrain is done', async () => (await done()).length > 0, 120_000);
    for (let kill = 0; kill < kills; kill += 1) {
      await killWhoWorks();
      if (kill === 1) await killWhoAsks();
    }
    const before = (await done()).length;
    await eventually('retrains go on', async () => (await done()).length > before + 1, 60_000);
    await Promise.all([...processors.values()].map(({ process }) => process.end()));
    await eventually('every request has its outcome', noneWaits, 60_000);
    commands = await readCommands();
    states = await readStates();
  }, 300_000);

  afterAll(() => deployment?.close());

  function serve(name: string): void {
    const own = { 'group.instance.id': name };
    serving.set(name, deployment.start(['retrain', '--serve'], own));
  }

  async function readCommands() {
    const records = await dumpTopic(deployment.broker, topics.modelCommands);
    return records.map(({ offset, value }) => ({
      offset,
      command: decodeRetrainCommand(value!) ?? decodeModelCommand(value!),
    }));
  }

  /** Every state that was ever said. */
  async function readStates(): Promise<RetrainState[]> {
    const records = await dumpTopic(deployment.broker, topics.retrains);
    return records.map(({ value }) => decodeRetrainState(value!));
  }

  const newest = async () => new Map((await readStates()).map((state) => [state.id, state]));
  const done = async () => [...(await newest()).values()].filter(({ state }) => state === 'done');

  async function noneWaits(): Promise<boolean> {
    const outcomes = await newest();
    const asked = (await readCommands()).filter(({ command }) => command.command === 'retrain');
    return asked.every(({ offset }) =>
      ['done', 'skipped', 'failed'].includes(outcomes.get(String(offset))?.state ?? ''),
    );
  }

  /** The one that runs a job, in the middle of it. */
  async function killWhoWorks(): Promise<void> {
    const worker = await eventually(
      'a job runs',
      async () => {
        const running = [...(await newest()).values()].find(({ state }) => state === 'running');
        return running?.runner;
      },
      60_000,
    );
    await serving.get(worker!)!.end('SIGKILL');
    killedAtWork += 1;
    const before = (await done()).length;
    serve(worker!);
    await eventually('the next one works', async () => (await done()).length > before, 60_000);
  }

  async function killWhoAsks(): Promise<void> {
    for (const [name, processor] of processors) {
      if (!(await processor.running()).includes('request-retrains_0')) continue;
      await sleep(300);
      await processor.process.end('SIGKILL');
      processors.set(name, deployment.processor(name));
    }
  }

  it('asks for every due time at most once, in their order', () => {
    const due = commands.flatMap(({ command }) =>
      command.command === 'retrain' ? [/due (\S+)/.exec(command.reason)![1]!] : [],
    );
    expect(due.length).toBeGreaterThan(5);
    expect(due).toEqual([...new Set(due)].sort());
  });

  it('gives every request one outcome', () => {
    expect(killedAtWork).toBe(kills);
    const ends = states.filter(({ state }) => !['requested', 'running'].includes(state));
    const byId = new Map(ends.map(({ id }) => [id, ends.filter((end) => end.id === id)]));
    for (const [id, outcomes] of byId) {
      expect(new Set(outcomes.map(({ state }) => state)).size, id).toBe(1);
      expect(outcomes[0]!.state, JSON.stringify(outcomes[0])).not.toBe('failed');
    }
  });

  it('publishes each version once, asked for by one request, and promotes it once', async () => {
    const records = await dumpTopic(deployment.broker, topics.models);
    const keys = records.map(({ key }) => Buffer.from(key!).toString());
    const reported = [...(await newest()).values()].flatMap(({ report }) => report?.version ?? []);
    expect(new Set(reported).size).toBe(reported.length);
    const promoted = commands.flatMap(({ command }) =>
      command.command === 'promote' ? [command.version] : [],
    );
    expect(new Set(promoted).size).toBe(promoted.length);
    for (const version of reported) expect(keys).toContain(`default/${version}/0`);
  });

  it('runs one job at a time', () => {
    const jobs = states.filter(({ state, report }) => state === 'done' && report !== null);
    const spans = jobs.map(({ startedAtMs, endedAtMs }) => [startedAtMs!, endedAtMs!] as const);
    spans.sort(([a], [b]) => a - b);
    expect(spans.length).toBeGreaterThan(3);
    for (const [i, [start]] of spans.entries()) {
      if (i > 0) expect(start).toBeGreaterThanOrEqual(spans[i - 1]![1]);
    }
  });
});
