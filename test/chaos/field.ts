// Where faults are done: a Kafka of our own, named processors over it, and a stream of points that does not stop. When the
// faults are over, `prove` works out whether anything of it can be seen.
import type { CommittedOffset } from '../../broker/index.ts';
import { topics } from '../../schemas/index.ts';
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
  hashOf,
  isAsWorkedOut,
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

const pollMs = 20;
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
  /** sha256 of each state, the same for changelog, owner, standby and (centroids) the oracle. */
  readonly stateHashes: Readonly<Record<string, string>>;
  /** Store folders that were compared, each with the changelog up to its own offset. */
  readonly storesCompared: number;
}

/** A copy that has caught up: the processor and the task. */
type Standby = readonly [name: string, taskId: string];

export interface StartOptions {
  readonly settings?: Settings;
  readonly environment?: Record<string, string>;
  /** Another build of ours. */
  readonly program?: string;
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
  readonly #expected: { readonly pattern: RegExp; times: number }[] = [];
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
      'num.standby.replicas': 1,
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

  /** Records that are no points, under keys that begin with the mark: so many that each partition gets some. */
  async feedPoison(mark: string, rows: number): Promise<void> {
    const records = Array.from({ length: rows }, (_, row) => ({
      key: `${mark}${row}`,
      value: '[',
    }));
    await this.deployment.write(records);
  }

  /** A process of that name: it comes back with its state folder and its instance id. */
  start(name: string, { settings, environment, program }: StartOptions = {}): DeployedProcessor {
    const processor = this.deployment.processor(name, settings, environment, program);
    this.processors.set(name, processor);
    this.#names.add(name);
    return processor;
  }

  at(name: string): DeployedProcessor {
    return this.processors.get(name)!;
  }

  /** @returns how it ended: by this, or before. */
  async kill(name: string): Promise<number | string> {
    const { process } = this.at(name);
    const how = await process.end('SIGKILL');
    this.#read(name, process);
    this.processors.delete(name);
    return how;
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

  /**
   * Where the group stands in each partition of the points. Asked one by one: while a task tries a commit in vain its offset is not
   * to be had, and several tasks do not rest at the same time.
   */
  async committedPoints(): Promise<readonly CommittedOffset[]> {
    const { broker, applicationId } = this.deployment;
    const each = Array.from({ length: 4 }, (_, partition) =>
      broker.committedOffsets(applicationId, [{ topic: topics.points, partition }]),
    );
    return (await Promise.all(each)).flat();
  }

  /** How long at most a partition of the points, or the input of the owner of the model, had no commit meanwhile. */
  async longestPauseMs(what: () => Promise<void>): Promise<number> {
    let isOver = false;
    const doing = what().finally(() => {
      isOver = true;
    });
    // Heard of when it is waited for.
    doing.catch(() => {});
    let longestMs = 0;
    const last = new Map<string, { readonly offset: number; readonly atMs: number }>();
    while (!isOver) {
      // What the coordinator does not say now it says in the next round.
      const offsets = await Promise.all([
        this.#committedOffsets(),
        this.#committedOffsets(topics.centroidDeltas, 1),
      ]).then(
        (both) => both.flat(),
        () => [],
      );
      const atMs = performance.now();
      for (const { topic, partition, offset } of offsets) {
        const name = `${topic}-${partition}`;
        const before = last.get(name);
        if (before !== undefined) longestMs = Math.max(longestMs, atMs - before.atMs);
        if (before?.offset !== offset) last.set(name, { offset, atMs });
      }
      await sleep(pollMs);
    }
    await doing;
    return longestMs;
  }

  #committedOffsets(topic: string = topics.points, partitions = 4) {
    const { broker, applicationId } = this.deployment;
    const at = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));
    return broker.committedOffsets(applicationId, at);
  }

  async #committed(): Promise<number> {
    return (await this.#committedOffsets()).reduce((sum, { offset }) => sum + offset, 0);
  }

  /** The sum over all label sets of a counter of a living processor. */
  async metric(name: string, metric: string): Promise<number> {
    const lines = (await this.at(name).metrics()).split('\n').filter((it) => it.startsWith(metric));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  /** Lines like this are no finding: what is done leads to them. @returns how often one has been said by now. */
  expectLines(pattern: RegExp): () => number {
    const expected = { pattern, times: 0 };
    this.#expected.push(expected);
    return () => expected.times;
  }

  find(finding: string): void {
    this.#findings.push(finding);
  }

  /** Lets everything be taken in, stops the processors in order, and has all of it judged. */
  async prove(): Promise<Proof> {
    this.#isFed = false;
    await this.#feeding;
    this.say('draining');
    // An owner and a standby: those who came last come back, with what their faults have left them.
    for (const name of [...[...this.#names].reverse(), 'beside']) {
      if (this.processors.size < 2 && !this.processors.has(name)) this.start(name);
    }
    await this.deployment.drained(patienceMs);
    const standbys = await this.#standbys();
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
    const { stateHashes, storesCompared } = await this.#compareStates(verdict.final, standbys);
    const { points, assignments, deadLetters } = account;
    const { modelsChecked } = verdict;
    return {
      findings: this.#findings,
      points,
      assignments,
      deadLetters,
      modelsChecked,
      stateHashes,
      storesCompared,
    };
  }

  /** Waits until every state has a copy that lacks nothing. */
  async #standbys(): Promise<Standby[]> {
    return eventually(
      'a standby of every state',
      async () => {
        const found: Standby[] = [];
        for (const [name, processor] of this.processors) {
          for (const { taskId, state, lag } of await processor.replicas()) {
            if (state === 'FOLLOWING' && lag === 0) found.push([name, taskId]);
          }
        }
        return productStores.every(([task]) => found.some((it) => it[1] === task)) && found;
      },
      patienceMs,
    );
  }

  /** Every store that any processor has left, whether owner's, standby's or of one long gone, at its own offset. */
  async #compareStates(final: ReturnType<typeof judge>['final'], standbys: readonly Standby[]) {
    const stateHashes: Record<string, string> = {};
    let storesCompared = 0;
    for (const store of productStores) {
      const [task, name] = store;
      const { entries, entriesAt, lastOffset } = await replayChangelog(this.deployment, name);
      stateHashes[name] = hashOf(entries);
      let current = 0;
      for (const processor of this.#names) {
        const kept = await keptStore(this.deployment, processor, store);
        const { entries: held, changelogOffset } = kept;
        const isStandby = standbys.some(([of, its]) => of === processor && its === task);
        if (changelogOffset > lastOffset) current += 1;
        if (changelogOffset < 0 && isStandby) this.find(`the standby ${processor} kept no ${name}`);
        if (changelogOffset < 0) continue;
        storesCompared += 1;
        const [is, expected] = [hashOf(held), hashOf(entriesAt(changelogOffset))];
        if (is === expected) continue;
        const whose = `${name} of ${processor}${isStandby ? ', a standby,' : ''}`;
        this.find(`${whose} at ${changelogOffset} is ${is}, its changelog ${expected}`);
      }
      if (current === 0) this.find(`no store of ${task} is at the end of its changelog`);
      if (name === 'centroids' && !(await isAsWorkedOut(entries, final))) {
        this.find('the changelog of centroids does not replay to what the oracle works out');
      }
    }
    return { stateHashes, storesCompared };
  }

  /** What no fault of this table may lead to: a task given up, a broken promise, a store emptied. */
  #read(name: string, { stdout, stderr }: DeployedProcessor['process']): void {
    const bad =
      /a task has stopped for good|unhandled|AssertionError|MEANSTREAM_FATAL|will be rebuilt|wiping it/i;
    for (const line of `${stdout}\n${stderr}`.split('\n')) {
      const expected = this.#expected.find(({ pattern }) => pattern.test(line));
      if (expected !== undefined) expected.times += 1;
      else if (bad.test(line)) this.find(`${name} said: ${line.slice(0, 400)}`);
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
