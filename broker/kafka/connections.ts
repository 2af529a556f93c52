// Who is where: nodes, leaders and coordinators of one Kafka cluster, remembered until a caller says they are stale.
//
// Nodes are reached over lanes. A lane is one connection per node, and Kafka answers one request of a connection at a
// time: so long polls, group joins and transactions each have lanes of their own and do not wait for each other.

import {
  type Clock,
  DependencyDownError,
  type Logger,
  MeanstreamError,
  RetriableError,
} from '../../support/index.ts';
import { answerMemory } from './answers-beside.ts';
import { check, coordinatorMoved, isRefusal } from './kafka-errors.ts';
import {
  KafkaNode,
  type MetadataAnswer,
  type SaslOptions,
  type TlsOptions,
  type TopicMetadata,
} from './kafkajs-internals.ts';
import { decodeNodes, noTopicsBody, noTopicsVersion } from './metadata-request.ts';
import { retrying } from './retry.ts';

export interface ConnectionsOptions {
  readonly bootstrapServers: string;
  readonly clientId: string;
  readonly ssl?: boolean | TlsOptions | undefined;
  readonly sasl?: SaslOptions | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

const connectMsMax = 3_000;
const requestMsMax = 15_000;
const firstContactMsMax = 5_000;
const coordinatorMsMax = 10_000;

/** The APIs we encode ourselves, at the oldest version that can do what we need (Kafka 2.5 has them all). */
export const rawVersions = { Fetch: 11, Produce: 7, OffsetFetch: 7 } as const;

export const coordinatorOf = { group: 0, transaction: 1 } as const;

export class Connections {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly #options: ConnectionsOptions;
  readonly #memory = answerMemory();
  readonly #seeds: readonly Address[];
  readonly #lanes = new Map<string, Map<string, Promise<KafkaNode>>>();
  readonly #leaders = new Map<string, Map<number, number>>();
  readonly #coordinators = new Map<string, number>();
  #nodes = new Map<number, Address>();
  #controllerId = -1;
  #closed = false;

  constructor(options: ConnectionsOptions) {
    this.clock = options.clock;
    this.logger = options.logger;
    this.#options = options;
    this.#seeds = options.bootstrapServers
      .split(',')
      .map((server) => server.trim())
      .filter((server) => server !== '')
      .map(parseAddress);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** @throws DependencyDownError when no node answers in time. */
  async connect(): Promise<void> {
    const deadlineMs = this.clock.monotonicMs() + firstContactMsMax;
    try {
      await retrying({ clock: this.clock, deadlineMs, again: isNoVerdict }, async () => {
        const node = await this.#anyNode();
        for (const [api, version] of Object.entries(rawVersions)) {
          if (node.newestVersion(api as keyof typeof rawVersions) < version) {
            throw new DependencyDownError(
              `The Kafka at ${this.#options.bootstrapServers} is too old: ${api} ${version} is needed, which Kafka 2.5 and later have.`,
            );
          }
        }
      });
    } catch (cause) {
      if (cause instanceof MeanstreamError) throw cause;
      throw new DependencyDownError(
        `No Kafka answers at ${this.#options.bootstrapServers} (tried for ${firstContactMsMax / 1_000} s: ${reasonOf(cause)}); start it (npm run kafka) or correct bootstrap.servers.`,
        { cause, bootstrapServers: this.#options.bootstrapServers },
      );
    }
  }

  /** A node on a lane, connected. */
  async node(nodeId: number, lane: string): Promise<KafkaNode> {
    const address = this.#nodes.get(nodeId);
    if (address === undefined) {
      await this.#refreshNodes();
      throw new Error(`node ${nodeId} is not known in the cluster`);
    }
    return this.#connected(address, lane);
  }

  /** The node that changes topics: the controller, or (KRaft) one that passes the wish on. */
  async controller(): Promise<KafkaNode> {
    await this.#refreshNodes();
    return this.node(this.#controllerId, 'requests');
  }

  /** Metadata of topics that exist or not, each with its own error code. Without names: of all. */
  async topicMetadata(topics: readonly string[]): Promise<readonly TopicMetadata[]> {
    const node = await this.#anyNode();
    const answer = await node.call('Metadata', {
      topics: [...topics],
      allowAutoTopicCreation: false,
    });
    this.#learnNodes(answer);
    return answer.topicMetadata;
  }

  /** @throws KafkaRefusal when the topic or its leader is missing. */
  async leaderOf(topic: string, partition: number): Promise<number> {
    return this.#leaders.get(topic)?.get(partition) ?? this.#askLeader(topic, partition);
  }

  /** The leader as last heard, undefined when nobody asked yet. */
  knownLeader(topic: string, partition: number): number | undefined {
    return this.#leaders.get(topic)?.get(partition);
  }

  forgetLeaders(topic: string): void {
    this.#leaders.delete(topic);
  }

  async coordinator(
    kind: keyof typeof coordinatorOf,
    key: string,
    lane: string,
  ): Promise<KafkaNode> {
    const known = this.#coordinators.get(`${kind} ${key}`);
    if (known !== undefined) return this.node(known, lane);
    const deadlineMs = this.clock.monotonicMs() + coordinatorMsMax;
    const again = (error: unknown) => !this.#closed && isRefusal(error, coordinatorMoved);
    const nodeId = await retrying({ clock: this.clock, deadlineMs, again }, async () => {
      const node = await this.#anyNode();
      const answer = await node.call('GroupCoordinator', {
        groupId: key,
        coordinatorType: coordinatorOf[kind],
      });
      check(`FindCoordinator of ${kind} ${key}`, answer.errorCode);
      const { nodeId, host, port } = answer.coordinator;
      this.#nodes.set(nodeId, { host, port });
      return nodeId;
    });
    this.#coordinators.set(`${kind} ${key}`, nodeId);
    return this.node(nodeId, lane);
  }

  forgetCoordinator(kind: keyof typeof coordinatorOf, key: string): void {
    this.#coordinators.delete(`${kind} ${key}`);
  }

  /** Ends a lane's connections at once. It may be used again. */
  async closeLane(lane: string): Promise<void> {
    const nodes = [...(this.#lanes.get(lane)?.values() ?? [])];
    this.#lanes.delete(lane);
    await Promise.all(
      nodes.map(async (arriving) => {
        const node = await arriving.catch(() => undefined);
        await node?.destroy('the broker was closed');
      }),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#lanes.keys()].map((lane) => this.closeLane(lane)));
  }

  async #askLeader(topic: string, partition: number): Promise<number> {
    const [metadata] = await this.topicMetadata([topic]);
    if (metadata === undefined) throw new Error(`no metadata of topic ${topic}`);
    check(`Metadata of ${topic}`, metadata.topicErrorCode);
    const leaders = new Map<number, number>();
    for (const { partitionId, leader } of metadata.partitionMetadata) {
      if (leader >= 0) leaders.set(partitionId, leader);
    }
    this.#leaders.set(topic, leaders);
    const leader = leaders.get(partition);
    if (leader !== undefined) return leader;
    const exists = metadata.partitionMetadata.some(({ partitionId }) => partitionId === partition);
    check(`Metadata of ${topic}-${partition}`, exists ? 5 : 3);
    throw new Error('unreachable');
  }

  /** Any node that answers: known ones first, then those we were given. Connected, with its metadata read. */
  async #anyNode(): Promise<KafkaNode> {
    if (this.#closed) throw new RetriableError('The broker is closed.');
    let reason: unknown = new Error('no address');
    for (const address of [...this.#nodes.values(), ...this.#seeds]) {
      try {
        const node = await this.#connected(address, 'requests');
        if (this.#nodes.size === 0) await this.#readNodes(node);
        return node;
      } catch (error) {
        reason = error;
      }
    }
    throw reason;
  }

  async #refreshNodes(): Promise<void> {
    await this.#readNodes(await this.#anyNode());
  }

  async #readNodes(node: KafkaNode): Promise<void> {
    this.#learnNodes(await node.callRaw('Metadata', noTopicsVersion, noTopicsBody(), decodeNodes));
  }

  #learnNodes({ brokers, controllerId }: Pick<MetadataAnswer, 'brokers' | 'controllerId'>): void {
    this.#nodes = new Map(brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
    this.#controllerId = controllerId;
  }

  async #connected(address: Address, lane: string): Promise<KafkaNode> {
    if (this.#closed) throw new RetriableError('The broker is closed.');
    const nodes = this.#lanes.get(lane) ?? new Map<string, Promise<KafkaNode>>();
    this.#lanes.set(lane, nodes);
    const name = `${address.host}:${address.port}`;
    const arriving = nodes.get(name) ?? KafkaNode.at(address.host, address.port, this.#nodeOptions);
    nodes.set(name, arriving);
    const node = await arriving;
    await node.connect();
    return node;
  }

  get #nodeOptions() {
    const { clientId, ssl, sasl, logger } = this.#options;
    const memory = this.#memory;
    return { clientId, ssl, sasl, logger, connectMsMax, requestMsMax, memory };
  }
}

function parseAddress(server: string): Address {
  const colon = server.lastIndexOf(':');
  const port = Number(server.slice(colon + 1));
  if (colon <= 0 || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new DependencyDownError(`"${server}" in bootstrap.servers is not host:port.`);
  }
  return { host: server.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port };
}

/** A node that cannot be reached may be starting; one that refuses us will refuse us again. */
function isNoVerdict(error: unknown): boolean {
  if (error instanceof MeanstreamError) return false;
  const name = error instanceof Error ? error.name : '';
  return !name.includes('SASL');
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
