// A retrain of several processes on a real Kafka, while they are killed and stopped in each phase: it ends, and the version has
// the bytes of an undisturbed one.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exitCodes } from '../bin/exit-codes.ts';
import { appendOnce } from '../broker/index.ts';
import { modelOf } from '../gateway/testing/gateway-fixture.ts';
import {
  bytesOf,
  type CancelRetrainCommand,
  commandAppend,
  decodeModel,
  decodeRetrainState,
  encodeModel,
  encodeRetrainCommand,
  modelKey,
  RecordBatchBuilder,
  type RetrainCommand,
  RetrainMessageReader,
  type RetrainState,
  type RetrainTask,
  topics,
} from '../schemas/index.ts';
import { Random, systemClock } from '../support/index.ts';
import { dumpTopic } from './support/dump-topic.ts';
import { ownKafkaMissing } from './support/kafka-cluster.ts';
import { KafkaDeployment } from './support/kafka-deployment.ts';
import { eventually, type MeanstreamProcess } from './support/meanstream-process.ts';

const dims = 8;
const n = 120_000;
const k = 24;
const partitions = 4;

const missing = ownKafkaMissing();
const title = 'a retrain on Kafka';

describe.skipIf(missing !== undefined)(missing ? `${title} (skipped: ${missing})` : title, () => {
  let deployment: KafkaDeployment;
  let workers: MeanstreamProcess[] = [];
  let expected: Buffer;

  beforeAll(async () => {
    deployment = await KafkaDeployment.start({
      'retrain.worker.timeout.ms': 3_000,
      'retrain.history': 'log',
    });
    await publishParent();
    await producePoints();
    workers = [worker('a'), worker('b')];
    expected = await versionOf(await coordinator());
  });

  afterAll(() => deployment?.close());

  const worker = (name: string): MeanstreamProcess =>
    deployment.start(['retrain-worker', '--workers', '1'], { 'group.instance.id': name });

  const start = (flags: readonly string[] = ['--workers', '0']): MeanstreamProcess =>
    deployment.start(['retrain', '--no-promote', '--json', ...flags]);

  /** To its end. @returns the version */
  async function coordinator(started = start()): Promise<string> {
    const [, version] = await started.waitFor(/^\{"version":"([^"]+)".*\}$/m, 120_000);
    return version!;
  }

  async function publishParent(): Promise<void> {
    const random = new Random(2);
    const centroids = Array.from({ length: k }, () =>
      Array.from({ length: dims }, random.float.bind(random)),
    );
    const parent = modelOf(centroids);
    const records = new RecordBatchBuilder();
    for (const version of [parent.version, 'current']) {
      records.append(systemClock.nowMs(), modelKey(version), encodeModel(parent));
    }
    const writer = await deployment.broker.openWriter();
    await writer.append([{ topic: topics.models, partition: 0, records }]);
    await writer.close();
  }

  /** Without clusters in them, so that there is something to iterate; most are in one partition. */
  async function producePoints(): Promise<void> {
    const random = new Random(4);
    const header = {
      key: 'content-type',
      value: Buffer.from('application/vnd.meanstream.float32'),
    };
    const builders = Array.from({ length: partitions }, () => new RecordBatchBuilder());
    const point = new Float32Array(dims);
    for (let row = 0; row < n; row++) {
      for (let d = 0; d < dims; d++) point[d] = random.float() ** 2;
      const partition = row % 10 < 7 ? 0 : row % partitions;
      builders[partition]!.append(systemClock.nowMs(), null, bytesOf(point), [header]);
    }
    const writer = await deployment.broker.openWriter();
    await writer.append(
      builders.map((records, partition) => ({ topic: topics.points, partition, records })),
    );
    await writer.close();
  }

  /** The bytes of a version, but for its number and its time. A commit is answered before all of it can be read. */
  async function versionOf(version: string): Promise<Buffer> {
    const key = Buffer.from(`default/${version}/0`);
    const found = await eventually(`version ${version} can be read`, async () => {
      const records = await dumpTopic(deployment.broker, topics.models);
      return records.find((record) => key.equals(record.key!))?.value ?? undefined;
    });
    return Buffer.from(encodeModel({ ...decodeModel(found), version: '0.0.0', createdAtMs: 0 }));
  }

  /** Names of all that were published. */
  async function versions(): Promise<string[]> {
    const records = await dumpTopic(deployment.broker, topics.models);
    const names = records.map(({ key }) => /^default\/(\d+\.\d+\.\d+)\/0$/.exec(textOf(key!))?.[1]);
    return names.filter((name) => name !== undefined);
  }

  const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

  /** A function that waits until the job that begins next has asked for such a step so many times. */
  async function nextJob(): Promise<(kind: string, times: number) => Promise<void>> {
    const { broker } = deployment;
    const [{ end } = { end: 0 }] = await broker.listOffsets(topics.retrainTasks);
    const reader = broker.openReader({ topic: topics.retrainTasks, partition: 0 }, end);
    const messages = new RetrainMessageReader<RetrainTask>();
    const asked: string[] = [];
    return async (kind, times) => {
      await eventually(`step ${kind} × ${times}`, async () => {
        const batch = await reader.read({ rowsMax: 100, waitMsMax: 50 });
        for (let row = 0; row < batch.n; row++) {
          const task = messages.take(batch, row);
          if (task?.type === 'step') asked.push((task.request as { kind: string }).kind);
        }
        return asked.filter((each) => each === kind).length >= times;
      });
      await reader.close();
    };
  }

  it('gives the same bytes by threads of one process', async () => {
    for (const process of workers) await process.end('SIGKILL');
    expect((await versionOf(await coordinator(start(['--workers', '2'])))).equals(expected)).toBe(
      true,
    );
    expect((await versionOf(await coordinator(start(['--in-memory'])))).equals(expected)).toBe(
      true,
    );
    workers = [worker('a'), worker('b')];
  }, 120_000);

  it.each([
    ['packs', 'moments', 1],
    ['seeds', 'draw', 2],
    ['iterates', 'lloyd', 3],
  ])(
    'gives the same bytes when a worker is killed while it %s',
    async (_what, kind, times) => {
      const asked = await nextJob();
      const running = start();
      await asked(kind, times);
      await workers[0]!.end('SIGKILL');
      expect((await versionOf(await coordinator(running))).equals(expected)).toBe(true);
      workers[0] = worker('a');
    },
    120_000,
  );

  it.each([
    ['packs', 'moments', 1],
    ['iterates', 'lloyd', 4],
  ])(
    'gives the same bytes when the coordinator is killed while it %s, and another goes on',
    async (_what, kind, times) => {
      const asked = await nextJob();
      const running = start();
      await asked(kind, times);
      expect(await running.end('SIGKILL')).toBe('SIGKILL');
      const next = start();
      const version = await coordinator(next);
      expect(next.stderr).toContain('going on with the retrain');
      expect((await versionOf(version)).equals(expected)).toBe(true);
    },
    120_000,
  );

  it('gives the same bytes when coordinator and all workers are killed', async () => {
    const asked = await nextJob();
    const running = start();
    await asked('lloyd', 5);
    await Promise.all([running, ...workers].map((process) => process.end('SIGKILL')));
    workers = [worker('a'), worker('b')];
    expect((await versionOf(await coordinator())).equals(expected)).toBe(true);
  }, 120_000);

  it('gives the same bytes when a worker stands still', async () => {
    const asked = await nextJob();
    const running = start();
    await asked('lloyd', 3);
    process.kill(workers[1]!.pid, 'SIGSTOP');
    const version = await coordinator(running);
    process.kill(workers[1]!.pid, 'SIGCONT');
    expect((await versionOf(version)).equals(expected)).toBe(true);
    expect((await versionOf(await coordinator())).equals(expected)).toBe(true);
  }, 120_000);

  it('is cancelled by whoever wants it, and the next one begins anew', async () => {
    const asked = await nextJob();
    const running = start();
    await asked('lloyd', 2);
    // Nobody answers, so that the job is not over before it is cancelled.
    for (const { pid } of workers) process.kill(pid, 'SIGSTOP');
    const cancelled = await deployment.run(['retrain', '--cancel']);
    for (const { pid } of workers) process.kill(pid, 'SIGCONT');
    expect(cancelled.stdout).toContain('is cancelled');
    await running.waitFor(/MEANSTREAM_JOB_CANCELLED/);
    expect((await versionOf(await coordinator())).equals(expected)).toBe(true);
    expect((await deployment.run(['retrain', '--cancel'])).stdout).toContain('no retrain');
  }, 120_000);

  /** Asks as POST /v1/retrains does. @returns the id of the request */
  async function ask(): Promise<string> {
    const by = { requestedBy: 'test', reason: 'test', timestampMs: systemClock.nowMs() };
    return command({ command: 'retrain', trigger: 'hand', ...by });
  }

  async function command(asked: RetrainCommand | CancelRetrainCommand): Promise<string> {
    const append = commandAppend(encodeRetrainCommand(asked), asked.timestampMs);
    const [at] = await appendOnce(deployment.broker, [append]);
    return String(at!.baseOffset);
  }

  async function statesOf(id: string): Promise<RetrainState[]> {
    const records = await dumpTopic(deployment.broker, topics.retrains);
    return records
      .map(({ value }) => decodeRetrainState(value!))
      .filter((state) => state.id === id);
  }

  /** Its newest state, once it is such a one. */
  async function became(id: string, wanted: RetrainState['state']): Promise<RetrainState> {
    const found = await eventually(
      `request ${id} is ${wanted}`,
      async () => {
        const newest = (await statesOf(id)).at(-1);
        const isTold = newest?.state === wanted && (wanted !== 'done' || newest.report !== null);
        return isTold && newest;
      },
      120_000,
    );
    return found as RetrainState;
  }

  async function serving(name: string, threads = 0): Promise<MeanstreamProcess> {
    const started = deployment.start(['retrain', '--serve'], {
      ...{ 'group.instance.id': name, 'session.timeout.ms': 6_000 },
      ...{ 'promotion.policy': 'manual', 'retrain.workers': threads },
    });
    await started.waitFor(/waiting for retrains to be asked for/);
    return started;
  }

  it('gives the same bytes when it is asked for, by workers elsewhere and by threads of who serves', async () => {
    const server = await serving('server');
    const first = await became(await ask(), 'done');
    expect((await versionOf(first.report!.version)).equals(expected)).toBe(true);
    const phases = (await statesOf(first.id)).flatMap(({ progress }) => progress?.phase ?? []);
    expect(new Set(phases)).toContain('fit');
    expect(await server.end('SIGTERM')).toBe(0);
    for (const { pid } of workers) process.kill(pid, 'SIGSTOP');
    const alone = await serving('alone', 2);
    const second = await became(await ask(), 'done');
    for (const { pid } of workers) process.kill(pid, 'SIGCONT');
    expect((await versionOf(second.report!.version)).equals(expected)).toBe(true);
    expect(await alone.end('SIGTERM')).toBe(0);
  }, 120_000);

  it('that was asked for is gone on with by the next leader when the first is killed, and published once', async () => {
    const first = await serving('first');
    const asked = await nextJob();
    const id = await ask();
    await asked('lloyd', 3);
    expect(await first.end('SIGKILL')).toBe('SIGKILL');
    const versionsBefore = await versions();
    const next = await serving('next');
    const { report, runner } = await became(id, 'done');
    expect(runner).toBe('next');
    expect(next.stderr).toContain('going on with the retrain');
    expect((await versionOf(report!.version)).equals(expected)).toBe(true);
    expect((await versions()).filter((each) => !versionsBefore.includes(each))).toEqual([
      report!.version,
    ]);
    expect(await next.end('SIGTERM')).toBe(0);
  }, 120_000);

  it('that was asked for is cancelled through the log: nothing is published, and the workers are free', async () => {
    const server = await serving('server');
    const before = await versions();
    const asked = await nextJob();
    const id = await ask();
    await asked('lloyd', 2);
    for (const { pid } of workers) process.kill(pid, 'SIGSTOP');
    const cancelled = await deployment.run(['retrain', '--cancel']);
    expect(cancelled.stdout).toContain(`retrain ${id}, which was asked for, is cancelled`);
    expect((await became(id, 'cancelled')).error?.code).toBe('MEANSTREAM_JOB_CANCELLED');
    for (const { pid } of workers) process.kill(pid, 'SIGCONT');
    expect(await versions()).toEqual(before);
    const { report } = await became(await ask(), 'done');
    expect((await versionOf(report!.version)).equals(expected)).toBe(true);
    expect(await server.end('SIGTERM')).toBe(0);
  }, 120_000);

  it('by hand is refused with exit code 5 while another process serves retrains, and says what to do', async () => {
    const server = await serving('server');
    for (const flags of [['--no-promote'], ['--no-promote', '--in-memory']]) {
      const { code, stderr } = await deployment.run(['retrain', ...flags]);
      expect(code).toBe(exitCodes.refused);
      expect(exitCodes.refused).toBe(5);
      expect(stderr).toMatch(/MEANSTREAM_REFUSED.*served by 1 live process.*POST \/v1\/retrains/);
    }
    expect(await server.end('SIGTERM')).toBe(0);
    expect((await deployment.run(['retrain', '--no-promote'])).code).toBe(0);
  }, 120_000);
});
