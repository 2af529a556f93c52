// One history of an application: several instances over the model of Kafka, and whatever the seed does to them. What must
// hold is checked at every transaction and at every write of a store; a workload (workload.ts) says what it reads and writes
// and checks the rest.
//
//   safety     the faults last to the end; what is visible must be right whenever one looks
//   liveness   the faults end; then everything has to be finished within a bounded virtual time, and stop cleanly

import { createHash } from 'node:crypto';
import { StreamRuntime, type StreamRuntimeOptions } from '../../runtime/index.ts';
import { changelogTopic } from '../../schemas/index.ts';
import { type Logger, Metrics, Random } from '../../support/index.ts';
import { ChangelogCheck } from './changelog-check.ts';
import { ModelBroker } from './model-broker.ts';
import { ModelCluster } from './model-cluster.ts';
import { noNetworkFaults } from './network.ts';
import { Scheduler } from './scheduler.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { SimulatedProcess } from './simulated-process.ts';
import type { Workload } from './workload.ts';

export interface SimulationResult {
  readonly seed: number;
  /** What is wrong, in words; nothing when all is well. */
  readonly findings: readonly string[];
  readonly trace: readonly string[];
  readonly traceHash: string;
  /** How often each kind of thing was done to it. */
  readonly faults: Readonly<Record<string, number>>;
}

interface Instance {
  readonly name: string;
  process: SimulatedProcess;
  runtime: StreamRuntime | undefined;
}

const applicationId = 'app';
const chaosMs = 5_000;
const finishMsMax = 60_000;
const dayMs = 25 * 3_600_000;
const sessionTimeoutMs = 900;
/** Some who are paused have lost their membership when they go on, some also the transaction that was open. */
const pauseMsMax = 5 * sessionTimeoutMs;
const metrics = new Metrics();

export async function simulate(seed: number, workload: Workload): Promise<SimulationResult> {
  const simulation = new Simulation(seed, workload);
  return simulation.run();
}

class Simulation {
  readonly #seed: number;
  readonly #workload: Workload;
  readonly #random: Random;
  readonly #scheduler = new Scheduler();
  readonly #cluster: ModelCluster;
  readonly #disk: SimulatedDisk;
  readonly #instances: Instance[] = [];
  readonly #findings: string[] = [];
  readonly #trace: string[] = [];
  readonly #faults: Record<string, number> = {};
  readonly #startMs = this.#scheduler.monotonicMs();
  readonly #changelogs: ChangelogCheck;
  readonly #committed = new Map<string, number>();
  readonly #limits: Pick<
    StreamRuntimeOptions,
    'commitIntervalMs' | 'commitBytesMax' | 'batchRowsMax'
  >;
  #isChaos = true;
  #isCheckDue = false;

  constructor(seed: number, workload: Workload) {
    this.#seed = seed;
    this.#workload = workload;
    this.#random = new Random(seed);
    const random = new Random(this.#random.uint32());
    this.#limits = {
      // Tasks are mostly behind, and then commit four times less often.
      commitIntervalMs: 3 + random.below(30),
      batchRowsMax: 1 + random.below(40),
      // So few that rows go ahead of their commit.
      ...(seed % 3 === 0 ? { commitBytesMax: 800 } : {}),
    };
    this.#cluster = new ModelCluster({
      ...{ scheduler: this.#scheduler, random, note: (text) => this.#note(text) },
      onCommit: (offsets) => {
        for (const { topic, partition, offset } of offsets) {
          const name = `${topic}-${partition}`;
          const before = this.#committed.get(name) ?? 0;
          if (offset < before) this.#find(`the offset of ${name} went from ${before} to ${offset}`);
          this.#committed.set(name, offset);
        }
        this.#checkSoon();
      },
    });
    this.#disk = new SimulatedDisk(new Random(this.#random.uint32()));
    this.#changelogs = new ChangelogCheck(this.#cluster, applicationId);
    this.#disk.onWrite = (dir, name, image) => {
      const task = dir.split('/')[2]!;
      this.#note(`${dir} is at ${image.checkpoint?.changelogOffset}`);
      const fault = this.#changelogs.faultOf(task, name, image);
      if (fault !== undefined) this.#find(fault);
    };
  }

  async run(): Promise<SimulationResult> {
    const isLiveness = this.#seed % 4 !== 0;
    try {
      this.#cluster.createTopics(this.#workload.topics);
      const instances = 1 + this.#random.below(3);
      this.#setNetwork();
      for (let i = 0; i < instances; i++) this.#instances.push(this.#newInstance(`i${i}`));
      for (const instance of this.#instances) this.#start(instance);
      this.#workload.feed({
        ...{ scheduler: this.#scheduler, cluster: this.#cluster, durationMs: chaosMs },
        random: new Random(this.#random.uint32()),
      });
      this.#scheduleNextFault();
      await this.#scheduler.run(this.#startMs + chaosMs, () => this.#findings.length > 0);
      if (this.#findings.length === 0 && isLiveness) await this.#finish();
      else this.#check();
    } catch (error) {
      this.#find(`the simulation itself: ${error instanceof Error ? error.stack : String(error)}`);
    }
    for (const { process } of this.#instances) process.kill();
    this.#isChaos = false;
    return {
      seed: this.#seed,
      findings: this.#findings,
      trace: this.#trace,
      traceHash: createHash('sha256').update(this.#trace.join('\n')).digest('hex'),
      faults: this.#faults,
    };
  }

  /** Heals everything; then all that was fed has to be through, and all has to stop. */
  async #finish(): Promise<void> {
    this.#isChaos = false;
    this.#note('from here on nothing fails any more');
    this.#cluster.network.faults = noNetworkFaults;
    this.#disk.faults = { write: 0, read: 0 };
    for (const instance of this.#instances) {
      instance.process.resume();
      if (!instance.process.isAlive) this.#restart(instance);
    }
    const untilMs = this.#scheduler.monotonicMs() + finishMsMax;
    const isFinished = () => this.#findings.length > 0 || (this.#isThrough() && this.#allRun());
    if (!(await this.#scheduler.run(untilMs, isFinished))) {
      this.#find(
        `it was not finished ${finishMsMax} ms after the last fault: ${this.#whereItIs()}`,
      );
      return;
    }
    let running = this.#instances.length;
    for (const { name, runtime } of this.#instances) {
      runtime!.stop().then(
        () => {
          running -= 1;
        },
        (error) => this.#find(`${name} did not stop: ${String(error)}`),
      );
    }
    const isOver = () => running === 0 || this.#findings.length > 0;
    if (!(await this.#scheduler.run(this.#scheduler.monotonicMs() + 60_000, isOver))) {
      this.#find('it did not stop');
    }
    await this.#scheduler.run(this.#scheduler.monotonicMs() + 100);
    if (this.#findings.length > 0) return;
    this.#check();
    for (const { name } of this.#instances) this.#checkStores(name);
    const fault = await this.#workload.atEnd?.(this.#cluster, (task, store) =>
      this.#changelogs.newest(task, store),
    );
    if (fault !== undefined) this.#find(fault);
  }

  /** Whoever still has to start would be begun anew when it fails to, and nobody would stop it. */
  #allRun(): boolean {
    return this.#instances.every(({ runtime }) => runtime!.status().state === 'RUNNING');
  }

  /** What one task commits is another's input: markers that are on their way count. */
  #isThrough(): boolean {
    return this.#workload.inputs.every((input) => {
      const { end, isSettled } = this.#cluster.partition(input);
      const at = this.#cluster.table(applicationId).committed(input);
      return isSettled && (end === 0 || (at !== undefined && at >= end));
    });
  }

  #whereItIs(): string {
    const lags = this.#workload.inputs.map((input) => {
      const at = this.#cluster.table(applicationId).committed(input);
      return `${input.topic}-${input.partition} ${at} of ${this.#cluster.partition(input).lastStable}`;
    });
    const reasons = this.#instances.flatMap(({ runtime }) => runtime!.status().reasons);
    return [...lags, ...reasons].join('; ');
  }

  /** After the transactions of a while: their markers are there by then, mostly. */
  #checkSoon(): void {
    if (this.#isCheckDue) return;
    this.#isCheckDue = true;
    this.#scheduler.after(200, () => {
      this.#isCheckDue = false;
      this.#check();
    });
  }

  /** Every visible output has its input once and in order, and exactly the committed input has come out. */
  #check(): void {
    const fault = this.#workload.check(this.#cluster, (input) =>
      this.#cluster.table(applicationId).committed(input),
    );
    if (fault !== undefined) this.#find(fault);
  }

  #checkStores(instance: string): void {
    for (const dir of this.#disk.dirs(`${instance}/`)) {
      const [, , task, name] = dir.split('/') as [string, string, string, string];
      const fault = this.#changelogs.faultOf(task, name, this.#disk.image(dir));
      if (fault !== undefined) this.#find(`at the end: ${fault}`);
    }
  }

  #newInstance(name: string): Instance {
    return { name, process: new SimulatedProcess(name, this.#scheduler), runtime: undefined };
  }

  #start(instance: Instance): void {
    const { name, process } = instance;
    const runtime = new StreamRuntime({
      ...{ topology: this.#workload.topology(), applicationId, instanceId: name, stateDir: name },
      broker: new ModelBroker(this.#cluster, process),
      clock: process.clock,
      // The disk is ours: nothing is to be looked for on a real one.
      storeEngine: 'memory',
      openEngine: (options) => this.#disk.open(process, options.name, options.dir),
      sessionTimeoutMs,
      ...{ metrics, logger: this.#loggerOf(process), ...this.#limits },
      onFatal: (error) => {
        if (process.isAlive) this.#find(`${name} gave up: ${error.message}`);
      },
    });
    instance.runtime = runtime;
    this.#note(`${name} starts`);
    runtime.start().catch((error: unknown) => {
      if (!process.isAlive) return;
      this.#note(`${name} could not start: ${String(error)}`);
      process.kill();
      this.#scheduler.after(100, () => this.#restart(instance));
    });
  }

  #restart(instance: Instance): void {
    if (instance.process.isAlive || (!this.#isChaos && this.#findings.length > 0)) return;
    instance.process = new SimulatedProcess(instance.name, this.#scheduler);
    this.#start(instance);
  }

  #crash(instance: Instance): void {
    this.#note(`${instance.name} crashes`);
    instance.process.kill();
    this.#disk.crash(`${instance.name}/`);
  }

  #scheduleNextFault(): void {
    this.#scheduler.after(50 + this.#random.below(600), () => {
      if (!this.#isChaos) return;
      this.#fault();
      this.#scheduleNextFault();
    });
  }

  #fault(): void {
    const instance = this.#instances[this.#random.below(this.#instances.length)]!;
    const { process, name } = instance;
    const dice = this.#random.below(100);
    if (!process.isAlive) return;
    if (dice < 30) {
      this.#count('crash');
      this.#crash(instance);
      if (this.#random.below(3) === 0) this.#harmFiles(name);
      this.#scheduler.after(this.#random.below(1_500), () => this.#restart(instance));
    } else if (dice < 45) {
      this.#count('pause');
      this.#note(`${name} is paused`);
      process.pause();
      this.#scheduler.after(this.#random.below(pauseMsMax), () => {
        this.#note(`${name} goes on`);
        process.resume();
      });
    } else if (dice < 65) {
      this.#count('rebalance');
      this.#cluster.group(applicationId).shuffle();
    } else if (dice < 80) {
      this.#count('disk');
      this.#disk.faults = { write: 0.3 * this.#random.float(), read: 0.05 };
      this.#scheduler.after(this.#random.below(500), () => {
        this.#disk.faults = { write: 0, read: 0 };
      });
    } else if (dice < 93) {
      this.#count('network');
      this.#setNetwork();
    } else {
      this.#night();
    }
  }

  #setNetwork(): void {
    const share = () => (this.#random.below(2) === 0 ? 0 : 0.06 * this.#random.float());
    this.#cluster.network.faults = {
      ...{ requestLost: share(), requestLate: share(), answerLost: share(), doubled: 3 * share() },
      delayMsMax: 1 + this.#random.below(12),
    };
  }

  /** Files are damaged, or they are not this task's any more. */
  #harmFiles(name: string): void {
    const dirs = this.#disk.dirs(`${name}/`);
    if (dirs.length === 0) return;
    const [from, to] = [dirs, dirs].map((all) => all[this.#random.below(all.length)]!);
    if (from === to || from!.split('/')[3] !== to!.split('/')[3]) {
      this.#count('damage');
      this.#note(`${to} is damaged`);
      this.#disk.damage(to!);
    } else {
      this.#count('mixed up');
      this.#note(`${from} is copied over ${to}`);
      this.#disk.copy(from!, to!);
    }
  }

  /** Everybody is gone for more than a day; the cleaner takes all it may from the changelogs, tombstones too. */
  #night(): void {
    this.#count('night');
    this.#note('a night begins');
    for (const instance of this.#instances) this.#crash(instance);
    for (const { subTopology, stores } of this.#workload.changelogs) {
      for (const store of stores) {
        const topic = changelogTopic(applicationId, store);
        const { partitions = 0 } =
          this.#cluster.describe().find(({ name }) => name === topic) ?? {};
        for (let partition = 0; partition < partitions; partition++) {
          this.#changelogs.remember(`${subTopology}_${partition}`, store);
          this.#cluster.partition({ topic, partition }).compact();
        }
      }
    }
    this.#scheduler.leap(dayMs);
    this.#startAfterNight();
  }

  #startAfterNight(): void {
    for (const instance of this.#instances) {
      this.#scheduler.after(this.#random.below(300), () => this.#restart(instance));
    }
  }

  #loggerOf(process: SimulatedProcess): Logger {
    const note = (_: object, message: string) => {
      if (process.isAlive) this.#note(`${process.name}: ${message}`);
    };
    return { debug: () => {}, info: note, warn: note, error: note };
  }

  #count(fault: string): void {
    this.#faults[fault] = (this.#faults[fault] ?? 0) + 1;
  }

  #note(text: string): void {
    this.#trace.push(`${(this.#scheduler.monotonicMs() - this.#startMs).toFixed(2)} ${text}`);
  }

  #find(finding: string): void {
    this.#note(`FINDING ${finding}`);
    this.#findings.push(finding);
  }
}
