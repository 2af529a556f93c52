// Kafkas that can be hurt: one whose clients come through a TCP proxy, and a cluster of three (RF 3, min ISR 2) whose nodes
// are stopped and killed one by one. Both are ours alone and are removed when they are stopped.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultJarsDir, ensureJars } from '../../bin/kafka/kafka-jars.ts';
import {
  freePort,
  type LocalKafka,
  newClusterId,
  startLocalKafka,
} from '../../bin/kafka/local-kafka.ts';
import { Connections } from '../../broker/kafka/connections.ts';
import { type Random, silentLogger, systemClock } from '../../support/index.ts';
import type { OwnKafka } from './kafka-cluster.ts';
import { eventually, runToEnd } from './meanstream-process.ts';
import { TcpProxy } from './tcp-proxy.ts';

/** The cleaner stays away from what the oracle has to see. */
const everythingKept = {
  'log.cleaner.backoff.ms': '600000',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '500',
};

export interface ProxiedKafka extends OwnKafka {
  /** What clients are told that shall come through the proxy; `bootstrapServers` goes past it. */
  readonly proxiedServers: string;
  readonly proxy: TcpProxy;
}

/** Two listeners: one is advertised at the proxy's address, the other is for the judge and for Kafka itself. */
export async function startProxiedKafka(random: Random): Promise<ProxiedKafka> {
  const { jarsDir, dataDir, removeData } = await newHome();
  const proxy = await TcpProxy.start(random);
  const [port, behind, controller] = [await freePort(), await freePort(), await freePort()];
  proxy.forwardTo(behind);
  const at = (name: string, where: number) => `${name}://127.0.0.1:${where}`;
  const kafka = await startLocalKafka({
    ...{ port, dataDir, jarsDir },
    properties: {
      ...everythingKept,
      'controller.quorum.voters': `1@127.0.0.1:${controller}`,
      listeners: [at('DIRECT', port), at('PROXIED', behind), at('CONTROLLER', controller)].join(),
      'advertised.listeners': [at('DIRECT', port), at('PROXIED', proxy.port)].join(),
      'listener.security.protocol.map': ['DIRECT', 'PROXIED', 'CONTROLLER']
        .map((name) => `${name}:PLAINTEXT`)
        .join(),
      'inter.broker.listener.name': 'DIRECT',
    },
  });
  return {
    bootstrapServers: kafka.bootstrapServers,
    libsDir: jarsDir,
    proxiedServers: `127.0.0.1:${proxy.port}`,
    proxy,
    async stop() {
      await proxy.close();
      await kafka.stop('kill');
      removeData();
    },
  };
}

export class KafkaNodes implements OwnKafka {
  readonly bootstrapServers: string;
  readonly libsDir: string;
  readonly #start: (index: number) => Promise<LocalKafka>;
  readonly #dataDir: string;
  readonly #removeData: () => void;
  readonly #nodes: (LocalKafka | undefined)[];
  readonly #connections: Connections;

  private constructor(
    nodes: readonly LocalKafka[],
    start: (index: number) => Promise<LocalKafka>,
    { dataDir, removeData }: Home,
  ) {
    this.#nodes = [...nodes];
    this.#start = start;
    this.#dataDir = dataDir;
    this.#removeData = removeData;
    this.libsDir = nodes[0]!.jarsDir;
    this.bootstrapServers = nodes.map((node) => node.bootstrapServers).join();
    this.#connections = new Connections({
      bootstrapServers: this.bootstrapServers,
      clientId: 'chaos',
      clock: systemClock,
      logger: silentLogger,
    });
  }

  static async start(count = 3): Promise<KafkaNodes> {
    const { jarsDir, dataDir, removeData } = await newHome();
    const clusterId = newClusterId();
    const ids = Array.from({ length: count }, (_, index) => index + 1);
    const places: { id: number; port: number; controller: number }[] = [];
    for (const id of ids) {
      places.push({ id, port: await freePort(), controller: await freePort() });
    }
    const voters = places.map(({ id, controller }) => `${id}@127.0.0.1:${controller}`).join();
    const start = (index: number): Promise<LocalKafka> => {
      const { id, port, controller } = places[index]!;
      return startLocalKafka({
        ...{ port, jarsDir, clusterId, dataDir: join(dataDir, String(id)) },
        properties: {
          ...everythingKept,
          ...replicated,
          'node.id': String(id),
          'controller.quorum.voters': voters,
          listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
        },
      });
    };
    try {
      const nodes = await Promise.all(places.map((_, index) => start(index)));
      const cluster = new KafkaNodes(nodes, start, { dataDir, removeData });
      await cluster.#connections.connect();
      return cluster;
    } catch (error) {
      removeData();
      throw error;
    }
  }

  get count(): number {
    return this.#nodes.length;
  }

  /** `clean` hands its leaderships over first; `kill` is kill -9. */
  async stopNode(index: number, how: 'clean' | 'kill'): Promise<void> {
    const node = this.#nodes[index];
    this.#nodes[index] = undefined;
    await node?.stop(how);
  }

  async startNode(index: number): Promise<void> {
    this.#nodes[index] = await this.#start(index);
  }

  /** Which node leads the partition, by its place here. */
  async leaderOf(topic: string, partition: number): Promise<number> {
    this.#connections.forgetLeaders(topic);
    return (await this.#connections.leaderOf(topic, partition)) - 1;
  }

  /** From now on the partitions of the topic lie on this node alone. */
  async moveTo(topic: string, index: number): Promise<void> {
    const metadata = async () =>
      (await this.#connections.topicMetadata([topic]))[0]!.partitionMetadata;
    const partitions = (await metadata()).map(({ partitionId: partition }) => {
      return { topic, partition, replicas: [index + 1] };
    });
    const file = join(this.#dataDir, 'reassignment.json');
    writeFileSync(file, JSON.stringify({ version: 1, partitions }));
    const { code, stdout, stderr } = await runToEnd('java', [
      ...['-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', `${this.libsDir}/*`],
      'org.apache.kafka.tools.reassign.ReassignPartitionsCommand',
      ...['--bootstrap-server', this.bootstrapServers],
      ...['--reassignment-json-file', file, '--execute'],
    ]);
    if (code !== 0) throw new Error(`the reassignment failed:\n${stdout}\n${stderr}`);
    await eventually(`${topic} on node ${index + 1} alone`, async () => {
      return (await metadata()).every(({ leader, replicas }) => {
        return leader === index + 1 && replicas.length === 1;
      });
    });
  }

  /** Every partition of the topics, and of Kafka's own, has all its replicas in sync again. */
  async whole(timeoutMs = 300_000): Promise<void> {
    await eventually(
      'all replicas in sync',
      async () => {
        const topics = await this.#connections.topicMetadata([]);
        return topics.every(({ partitionMetadata }) =>
          partitionMetadata.every(
            ({ leader, isr, replicas }) => leader >= 0 && isr.length === replicas.length,
          ),
        );
      },
      timeoutMs,
    );
  }

  async stop(): Promise<void> {
    await this.#connections.close();
    await Promise.all(this.#nodes.map((node) => node?.stop('kill')));
    this.#removeData();
  }
}

const replicated = {
  'offsets.topic.replication.factor': '3',
  'transaction.state.log.replication.factor': '3',
  'transaction.state.log.min.isr': '2',
  'share.coordinator.state.topic.replication.factor': '3',
  'share.coordinator.state.topic.min.isr': '2',
  'default.replication.factor': '3',
  'min.insync.replicas': '2',
  // A killed node is missed, and taken back, within seconds.
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '500',
  'replica.lag.time.max.ms': '5000',
};

interface Home {
  readonly dataDir: string;
  readonly removeData: () => void;
}

async function newHome() {
  const jarsDir = defaultJarsDir();
  await ensureJars(jarsDir, () => {});
  const dataDir = mkdtempSync(join(tmpdir(), 'meanstream-kafka-'));
  return { jarsDir, dataDir, removeData: () => rmSync(dataDir, { recursive: true, force: true }) };
}
