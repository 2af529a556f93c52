// Where faults are done: a Kafka of our own, named processors over it, and a stream of points that does not stop. When the
// faults are over, `prove` works out whether anything of it can be seen.
import type { Random } from '../../support/index.ts';
import { judge } from '../oracle/clustering-oracle.ts';
import { decodeLogs } from '../oracle/decode-logs.ts';
import { accountFor } from '../support/accounting.ts';
import type { OwnKafka } from '../support/kafka-cluster.ts';
import {
  type DeployedProcessor,
  KafkaDeployment,
  type Settings,
} from '../support/kafka-deployment.ts';
import { KafkaNodes, type ProxiedKafka, startProxiedKafka } from '../support/kafka-nodes.ts';
import { eventually, sleep } from '../support/meanstream-process.ts';
import { Mixture } from '../support/mixture.ts';
import {
  centroidsIn,
  hashOf,
  keptStore,
  productStores,
  readRun,
  replayChangelog,
} from '../support/recorded-run.ts';

/** Where a run says what it does, a line at a time. */
export type Say = (line: string) => void;

export const sessionTimeoutMs = 2_000;
/** For whatever must come about: a slow machine is no fault. */
export const patienceMs = 300_000;

/** After this long without all tasks the run says what they do. */
const slowMs = 30_000;

const model = { k: 8, dims: 8, seed: 1 };
const badEvery = 199;
const burstRows = 120;
const burstPauseMs = 100;
const taskCount = 6;

export interface FieldOptions {
  readonly kafka: 'proxied' | 'nodes';
  readonly random: Random;
  readonly seed: number;
  readonly say: Say;
}

export interface Proof {
  readonly findings: readonly string[];
  readonly points: number;
  readonly assignments: number;
  readonly deadLetters: number;
  readonly modelsChecked: number;
  /** sha256 of each state, the same for changelog, stores and (centroids) the oracle. */
  readonly stateHashes: Readonly<Record<string, string>>;
}

export interface StartOptions {
  readonly settings?: Settings;
  readonly environment?: Record<string, string>;
}

export class Field {
  readonly deployment: KafkaDeployment;
  readonly random: Random;
  readonly say: Say;
  readonly processors = new Map<string, DeployedProcessor>();
  readonly proxied: ProxiedKafka | undefined;
  readonly nodes: KafkaNodes | undefined;
  readonly #mixture: Mixture;
  readonly #findings: string[] = [];
  readonly #names = new Set<string>();
  #feeding: Promise<void> | undefined;
  #isFed = false;

  private constructor(deployment: KafkaDeployment, kafka: OwnKafka, options: FieldOptions) {
    const { seed, random, say } = options;
    this.deployment = deployment;
    this.random = random;
    this.say = say;
    this.proxied = 'proxy' in kafka ? (kafka as ProxiedKafka) : undefined;
    this.nodes = kafka instanceof KafkaNodes ? kafka : undefined;
    this.#mixture = new Mixture({ seed, dims: model.dims, clusters: model.k, badEvery });
  }

  static async start(options: FieldOptions): Promise<Field> {
    const kafka: OwnKafka =
      options.kafka === 'proxied'
        ? await startProxiedKafka(options.random)
        : await KafkaNodes.start();
    const settings = {
      'model.k': model.k,
      'model.seed': model.seed,
      'session.timeout.ms': sessionTimeoutMs,
      // A burst is more than one batch.
      'batch.rows.max': 1_024,
      ...('proxiedServers' in kafka ? { 'bootstrap.servers': String(kafka.proxiedServers) } : {}),
      ...(options.kafka === 'nodes' ? { 'replication.factor': 3 } : {}),
    };
    const deployment = await KafkaDeployment.start(settings, Promise.resolve(kafka));
    return new Field(deployment, kafka, options);
  }

  /** Points flow until `prove`; what the log refuses for a while is left out. */
  startFeeding(): void {
    if (this.#isFed) return;
    this.#isFed = true;
    this.#feeding = this.#feed();
  }

  async #feed(): Promise<void> {
    while (this.#isFed) {
      const records = Array.from({ length: burstRows }, () => this.#mixture.record());
      await this.deployment.write(records).catch(() => {});
      await sleep(burstPauseMs);
    }
  }

  /** A backlog of one write. */
  async feedBurst(rows: number): Promise<void> {
    await this.deployment.write(Array.from({ length: rows }, () => this.#mixture.record()));
  }

  /** A process of that name: it comes back with its state folder and its instance id. */
  start(name: string, { settings, environment }: StartOptions = {}): DeployedProcessor {
    const processor = this.deployment.processor(name, settings, environment);
    this.processors.set(name, processor);
    this.#names.add(name);
    return processor;
  }

  at(name: string): DeployedProcessor {
    return this.processors.get(name)!;
  }

  async kill(name: string): Promise<void> {
    await this.at(name).process.end('SIGKILL');
    this.processors.delete(name);
  }

  /** In order: what does not end with 0 is a finding. */
  async stop(name: string): Promise<void> {
    // Before it has started there is nothing to end in order.
    await this.at(name).url();
    const { process } = this.at(name);
    const code = await process.end('SIGTERM', 60_000);
    if (code !== 0) this.find(`${name} ended with ${code} after SIGTERM:\n${lastWords(process)}`);
    this.#read(name, process);
    this.processors.delete(name);
  }

  /** It has tasks, and all of them run. */
  async works(name: string): Promise<boolean> {
    const tasks = await this.at(name).tasks();
    return tasks.length > 0 && tasks.every(({ state }) => state === 'RUNNING');
  }

  async untilWorks(name: string): Promise<void> {
    await eventually(`tasks for ${name}`, () => this.works(name), patienceMs);
  }

  /** All tasks run somewhere among those that answer. */
  async untilAllRun(names: readonly string[] = [...this.processors.keys()]): Promise<void> {
    const all = async () => {
      const running = await Promise.all(names.map((name) => this.at(name).running()));
      return new Set(running.flat()).size === taskCount;
    };
    const what = `all tasks at ${names.join(', ')}`;
    const states = async () =>
      (await Promise.all(names.map((name) => this.#stateOf(name)))).join('\n');
    const slow = setTimeout(() => void states().then(this.say), slowMs);
    try {
      await eventually(what, all, patienceMs);
    } catch (error) {
      throw new Error(await states(), { cause: error });
    } finally {
      clearTimeout(slow);
    }
  }

  async #stateOf(name: string): Promise<string> {
    const { process } = this.at(name);
    const tasks = await this.at(name)
      .tasks()
      .catch((error: unknown) => error);
    const states = Array.isArray(tasks)
      ? tasks.map(({ taskId, state, reason }) => `${taskId} ${state} ${reason ?? ''}`).join('; ')
      : String(tasks);
    return `${name} (running: ${process.running}): ${states}\n${lastWords(process)}`;
  }

  /** The input goes down: at least so many points were learned since. */
  async untilProgress(): Promise<void> {
    const before = await this.#committed();
    await eventually('progress', async () => (await this.#committed()) > before, patienceMs);
  }

  async #committed(): Promise<number> {
    const { broker, applicationId } = this.deployment;
    const at = [0, 1, 2, 3].map((partition) => ({ topic: 'points', partition }));
    const committed = await broker.committedOffsets(applicationId, at);
    return committed.reduce((sum, { offset }) => sum + offset, 0);
  }

  /** The sum over all label sets of a counter of a living processor. */
  async metric(name: string, metric: string): Promise<number> {
    const lines = (await this.at(name).metrics()).split('\n').filter((it) => it.startsWith(metric));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  find(finding: string): void {
    this.#findings.push(finding);
  }

  /** Lets everything be taken in, stops the processors in order, and has all of it judged. */
  async prove(): Promise<Proof> {
    this.#isFed = false;
    await this.#feeding;
    this.say('draining');
    if (this.processors.size === 0) this.start('last');
    await this.deployment.drained(patienceMs);
    await Promise.all([...this.processors.keys()].map((name) => this.stop(name)));
    this.say('reading what came out');
    const run = await readRun(this.deployment);
    const account = accountFor(run.points, run.assignments, run.deadLetters);
    for (const fault of ['lost', 'repeated', 'outOfOrder'] as const) {
      const those = account[fault];
      if (those.length > 0) this.find(`${those.length} ${fault}: ${those.slice(0, 5).join(' ')} …`);
    }
    if (account.points !== account.assignments + account.deadLetters) {
      const { points, assignments, deadLetters } = account;
      this.find(
        `${points} points in, ${assignments} assignments and ${deadLetters} dead letters out`,
      );
    }
    this.say('asking the oracle');
    const verdict = judge(decodeLogs(run), {
      ...{ format: 'json', scaling: true, halfLife: { unit: 'points', value: 1_000 * model.k } },
      ...{ k: model.k, seed: model.seed },
    });
    for (const finding of verdict.findings) this.find(finding);
    const stateHashes = await this.#compareStates(verdict.final);
    const { points, assignments, deadLetters } = account;
    const { modelsChecked } = verdict;
    return {
      findings: this.#findings,
      points,
      assignments,
      deadLetters,
      modelsChecked,
      stateHashes,
    };
  }

  async #compareStates(final: ReturnType<typeof judge>['final']): Promise<Record<string, string>> {
    const hashes: Record<string, string> = {};
    for (const store of productStores) {
      const { entries, lastOffset } = await replayChangelog(this.deployment, store[1]);
      const hash = hashOf(entries);
      hashes[store[1]] = hash;
      const kept = await Promise.all(
        [...this.#names].map((name) => keptStore(this.deployment, name, store)),
      );
      const current = kept.filter(({ changelogOffset }) => changelogOffset > lastOffset);
      if (current.length === 0) this.find(`no store of ${store[0]} is at the end of its changelog`);
      for (const { entries: held } of current) {
        const other = hashOf(held);
        if (other !== hash) this.find(`store ${store[1]} is ${other}, its changelog ${hash}`);
      }
      if (store[1] === 'centroids') await this.#compareWithOracle(entries, final);
    }
    return hashes;
  }

  async #compareWithOracle(
    entries: Parameters<typeof centroidsIn>[0],
    final: ReturnType<typeof judge>['final'],
  ): Promise<void> {
    const stored = await centroidsIn(entries);
    if (final === undefined || stored === undefined) return this.find('no model was ever made');
    const { records, clusterIds } = final;
    const bytes = (numbers: Float64Array) => Buffer.from(numbers.buffer).toString('hex');
    const isSame =
      bytes(stored.header.online) === bytes(Float64Array.from(records.header)) &&
      clusterIds.every((id, slot) => {
        const numbers = stored.clusters.get(id);
        return (
          numbers !== undefined &&
          bytes(numbers.slice()) === bytes(Float64Array.from(records.clusters[slot]!))
        );
      });
    if (!isSame)
      this.find('the changelog of centroids does not replay to what the oracle works out');
  }

  #read(name: string, { stdout, stderr }: DeployedProcessor['process']): void {
    const bad = /a task has stopped for good|unhandled|AssertionError|MEANSTREAM_FATAL/i;
    for (const line of `${stdout}\n${stderr}`.split('\n')) {
      if (bad.test(line)) this.find(`${name} said: ${line.slice(0, 400)}`);
    }
  }

  async close(): Promise<void> {
    this.#isFed = false;
    await this.#feeding;
    await this.deployment.close();
  }
}

export function lastWords({ stdout, stderr }: DeployedProcessor['process']): string {
  return `${stdout.slice(-1_500)}\n${stderr.slice(-1_500)}`;
}
