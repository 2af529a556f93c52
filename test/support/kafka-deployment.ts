// A whole deployment on a Kafka of its own, made by the command line as a user makes it. The product's topics have fixed
// names, so these tests neither share a Kafka nor touch the one at KAFKA_BROKERS.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { partitionOfKey } from '../../broker/index.ts';
import { KafkaBroker } from '../../broker/kafka/index.ts';
import type { RuntimeStatus } from '../../runtime/index.ts';
import { RecordBatchBuilder, topics } from '../../schemas/index.ts';
import { silentLogger, systemClock } from '../../support/index.ts';
import { type OwnKafka, startOwnKafka } from './kafka-cluster.ts';
import { eventually, MeanstreamProcess, run } from './meanstream-process.ts';

export type Settings = Readonly<Record<string, string | number>>;

const startMsMax = 90_000;
/** What `topics.partitions` is by default. */
const partitions = 4;
/** The topics the group reads; a deployment is drained when its offsets are at their ends. */
const inputs = [topics.points, topics.centroidDeltas, topics.quality, topics.modelCommands];

export class KafkaDeployment {
  readonly kafka: OwnKafka;
  readonly broker: KafkaBroker;
  readonly dir: string;
  readonly applicationId: string;
  readonly #settings: Settings;
  readonly #processes = new Set<MeanstreamProcess>();

  private constructor(kafka: OwnKafka, dir: string, settings: Settings) {
    this.kafka = kafka;
    this.dir = dir;
    this.applicationId = `test-${process.pid}-${kafka.bootstrapServers.split(/[:,]/)[1]}`;
    this.#settings = settings;
    this.broker = new KafkaBroker({
      bootstrapServers: kafka.bootstrapServers,
      clientId: 'test',
      clock: systemClock,
      logger: silentLogger,
    });
  }

  /** Kafka is up and `topics apply` has made the topics. Kafka is stopped with the deployment. */
  static async start(
    settings: Settings = {},
    starting: Promise<OwnKafka> = startOwnKafka(),
  ): Promise<KafkaDeployment> {
    const kafka = await starting;
    const dir = await mkdtemp(join(tmpdir(), 'meanstream-on-kafka-'));
    const deployment = new KafkaDeployment(kafka, dir, settings);
    try {
      const { code, stderr } = await deployment.run(['topics', 'apply']);
      if (code !== 0) throw new Error(`topics apply ended with ${code}:\n${stderr}`);
      await deployment.broker.connect();
    } catch (error) {
      await deployment.close();
      throw error;
    }
    return deployment;
  }

  /** The settings of every process of the deployment, as flags. */
  flags(settings: Settings = {}): string[] {
    const all = {
      'bootstrap.servers': this.kafka.bootstrapServers,
      'application.id': this.applicationId,
      'state.dir': join(this.dir, 'state'),
      'artifacts.location': join(this.dir, 'artifacts'),
      'retrain.dir': join(this.dir, 'retrain'),
      ...this.#settings,
      ...settings,
    };
    return Object.entries(all).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  }

  /** A command of the deployment, to its end. */
  run(args: readonly string[], settings: Settings = {}): ReturnType<typeof run> {
    return run([...args, ...this.flags(settings)]);
  }

  /** A command that goes on; it is killed with the deployment. */
  start(
    args: readonly string[],
    settings: Settings = {},
    environment: Record<string, string> = {},
    program?: string,
  ): MeanstreamProcess {
    const started = new MeanstreamProcess([...args, ...this.flags(settings)], environment, program);
    this.#processes.add(started);
    return started;
  }

  /** A processor with a state folder of its own, the same for every process of that name. */
  processor(
    name: string,
    settings: Settings = {},
    environment: Record<string, string> = {},
    program?: string,
  ): DeployedProcessor {
    const own = {
      'metrics.port': 0,
      'group.instance.id': name,
      'state.dir': this.stateDirOf(name),
      ...settings,
    };
    return new DeployedProcessor(this.start(['processor'], own, environment, program));
  }

  stateDirOf(name: string): string {
    return join(this.dir, name);
  }

  /** Writes records with our own writer, each where Kafka's producers put its key. */
  async write(records: Iterable<{ readonly key: string; readonly value: string }>): Promise<void> {
    const builders = Array.from({ length: partitions }, () => new RecordBatchBuilder());
    const encoder = new TextEncoder();
    for (const { key, value } of records) {
      const bytes = encoder.encode(key);
      const builder = builders[partitionOfKey(bytes, partitions)]!;
      builder.append(systemClock.nowMs(), bytes, encoder.encode(value));
    }
    const writer = await this.broker.openWriter();
    const appends = builders.map((records, partition) => ({
      topic: topics.points,
      partition,
      records,
    }));
    await writer.append(appends.filter((append) => append.records.n > 0));
    await writer.close();
  }

  /** Records of the topics that the group reads and has not committed. */
  async lag(of: readonly string[] = inputs): Promise<number> {
    let lag = 0;
    for (const topic of of) {
      const ends = await this.broker.listOffsets(topic);
      const at = ends.map(({ partition }) => ({ topic, partition }));
      const committed = await this.broker.committedOffsets(this.applicationId, at);
      const offsets = new Map(committed.map(({ partition, offset }) => [partition, offset]));
      for (const { partition, logStart, end } of ends) {
        lag += end - (offsets.get(partition) ?? logStart);
      }
    }
    return lag;
  }

  /** Everything is taken in: all points, and all that was made from them. */
  async drained(timeoutMs = 60_000): Promise<void> {
    await eventually('no lag', async () => (await this.lag()) === 0, timeoutMs);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#processes].map((started) => started.end('SIGKILL')));
    await this.broker.close();
    await this.kafka.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}

export class DeployedProcessor {
  readonly process: MeanstreamProcess;

  constructor(process: MeanstreamProcess) {
    this.process = process;
  }

  /** Resolves once it has joined the group. */
  async url(): Promise<string> {
    return (await this.process.waitFor(/"health":"(http:[^"]+)\/readyz"/, startMsMax))[1]!;
  }

  /** What /readyz answers: 200 or 503. */
  async readiness(): Promise<number> {
    return (await fetch(`${await this.url()}/readyz`)).status;
  }

  async tasks(): Promise<RuntimeStatus['tasks']> {
    return (await this.#status()).tasks;
  }

  async replicas(): Promise<RuntimeStatus['replicas']> {
    return (await this.#status()).replicas;
  }

  async #status(): Promise<Pick<RuntimeStatus, 'tasks' | 'replicas'>> {
    const answer = await fetch(`${await this.url()}/readyz?verbose`);
    return ((await answer.json()) as { detail: RuntimeStatus }).detail;
  }

  /** The ids of the tasks it does. */
  async running(): Promise<string[]> {
    const tasks = await this.tasks();
    return tasks.filter(({ state }) => state === 'RUNNING').map(({ taskId }) => taskId);
  }

  async metrics(): Promise<string> {
    return (await fetch(`${await this.url()}/metrics`)).text();
  }
}
