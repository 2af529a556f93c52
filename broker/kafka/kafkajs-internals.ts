// The one place that touches kafkajs 2.2.4, public and inner modules alike: its nodes (connections, TLS, SASL) and its
// request codecs. Above it there are no retries, no error classes and no caches of kafkajs: a call returns the decoded
// answer with Kafka's error codes in it. kafkajs-internals.test.ts fails when the shapes used here differ.

import { createRequire } from 'node:module';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { SASLOptions } from 'kafkajs';
import type { Logger, ReusedMemory } from '../../support/index.ts';
import { type Answer, AnswersBeside } from './answers-beside.ts';
import { BodiesBeside } from './bodies-beside.ts';

const require = createRequire(import.meta.url);

const NodeClass = require('kafkajs/src/broker/index.js') as NodeConstructor;
const connectionPoolBuilder =
  require('kafkajs/src/cluster/connectionPoolBuilder.js') as PoolBuilderFactory;
const { requests } = require('kafkajs/src/protocol/requests/index.js') as { requests: object };
const apiKeys = require('kafkajs/src/protocol/requests/apiKeys.js') as Record<string, number>;
const { errorCodes } = require('kafkajs/src/protocol/error.js') as { errorCodes: ErrorRow[] };
const Encoder = require('kafkajs/src/protocol/encoder.js') as EncoderConstructor;
const { createLogger } = require('kafkajs/src/loggers/index.js') as { createLogger: LoggerFactory };
const { AssignerProtocol } = require('kafkajs') as { AssignerProtocol: AssignerProtocolShape };

export type SaslOptions = SASLOptions;
export type TlsOptions = ConnectionOptions;

export interface NodeOptions {
  readonly clientId: string;
  readonly ssl: boolean | TlsOptions | undefined;
  readonly sasl: SaslOptions | undefined;
  readonly connectMsMax: number;
  readonly requestMsMax: number;
  readonly logger: Logger;
  /** For the bodies of large answers. */
  readonly memory: ReusedMemory;
}

interface ErrorRow {
  readonly type: string;
  readonly code: number;
  readonly message: string;
}

interface WireEncoder {
  buf: Buffer;
  offset: number;
}

type EncoderConstructor = new (size: number) => WireEncoder;

interface WireRequest {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
  readonly encode: () => Promise<WireEncoder>;
}

interface ProtocolCall {
  readonly request: WireRequest;
  readonly response: { decode(payload: Buffer): Promise<unknown> };
  readonly requestTimeout?: number;
}

interface WireConnection {
  readonly requestQueue: { readonly pending: unknown[]; scheduleCheckPendingRequests(): void };
  readonly socket?: { destroy(): void };
  send(call: object): Promise<unknown>;
  rejectRequests(error: Error): void;
  disconnect(): Promise<unknown>;
}

interface WirePool {
  readonly pool: WireConnection[];
  getConnection(index: number): Promise<WireConnection>;
}

interface WireNode {
  readonly connectionPool: WirePool;
  readonly versions: Readonly<Record<number, { minVersion: number; maxVersion: number }>>;
  isConnected(): boolean;
  connect(): Promise<void>;
  lookupRequest(apiKey: number, definition: unknown): (args: object) => ProtocolCall;
}

/** What kafkajs asks its socket factory for. */
interface SocketWish {
  readonly host: string;
  readonly port: number;
  readonly ssl: boolean | ConnectionOptions | null;
  readonly onConnect: () => void;
}

type NodeConstructor = new (options: object) => WireNode;
type PoolBuilderFactory = (options: object) => { build(at: object): Promise<WirePool> };
type LoggerFactory = (options: {
  level: number;
  logCreator: () => (entry: LogEntry) => void;
}) => object;

interface LogEntry {
  readonly label: string;
  readonly log: { readonly message: string };
}

interface AssignerProtocolShape {
  readonly MemberMetadata: {
    encode(metadata: { version: number; topics: string[]; userData: Buffer }): Buffer;
    decode(bytes: Buffer): { topics: string[]; userData: Buffer };
  };
  readonly MemberAssignment: {
    encode(assignment: {
      version: number;
      assignment: Record<string, number[]>;
      userData: Buffer;
    }): Buffer;
    decode(bytes: Buffer): { userData: Buffer } | null;
  };
}

export const { MemberMetadata, MemberAssignment } = AssignerProtocol;

/** One Kafka node over one connection: requests are answered in the order they were sent. */
export class KafkaNode {
  readonly host: string;
  readonly port: number;
  readonly #wire: WireNode;
  readonly #bodies: BodiesBeside;
  readonly #answers: AnswersBeside;
  readonly #requestMsMax: number;

  private constructor(
    { host, port }: { host: string; port: number },
    wire: WireNode,
    { bodies, answers }: Beside,
    requestMsMax: number,
  ) {
    this.host = host;
    this.port = port;
    this.#wire = wire;
    this.#bodies = bodies;
    this.#answers = answers;
    this.#requestMsMax = requestMsMax;
  }

  static async at(host: string, port: number, options: NodeOptions): Promise<KafkaNode> {
    const logger = routedLogger(options.logger);
    const beside = { bodies: new BodiesBeside(), answers: new AnswersBeside(options.memory) };
    const builder = connectionPoolBuilder({
      socketFactory: (wish: SocketWish) => connected(wish, beside),
      brokers: [`${host}:${port}`],
      ssl: options.ssl ?? null,
      sasl: options.sasl ?? null,
      clientId: options.clientId,
      requestTimeout: options.requestMsMax,
      enforceRequestTimeout: true,
      connectionTimeout: options.connectMsMax,
      maxInFlightRequests: null,
      reauthenticationThreshold: 10_000,
      logger,
    });
    const connectionPool = await builder.build({ host, port });
    for (const connection of connectionPool.pool) calm(connection);
    const wire = new NodeClass({ connectionPool, logger, allowAutoTopicCreation: false });
    return new KafkaNode({ host, port }, wire, beside, options.requestMsMax);
  }

  async connect(): Promise<void> {
    if (!this.#wire.isConnected()) await this.#wire.connect();
  }

  /** The newest version of an API this node understands, −1 when it does not know the API. */
  newestVersion(api: RawApi): number {
    return this.#wire.versions[apiKeys[api]!]?.maxVersion ?? -1;
  }

  /** A request in kafkajs's own encoding. The answer still carries error codes. */
  async call<Name extends keyof Calls>(
    api: Name,
    args: Calls[Name]['args'],
  ): Promise<Calls[Name]['answer']> {
    await this.connect();
    const definition = (requests as Record<string, unknown>)[api];
    const { request, response, requestTimeout } = this.#wire.lookupRequest(
      apiKeys[api]!,
      definition,
    )(args);
    const answer = await this.#send(request, ({ bytes }) => response.decode(bytes), requestTimeout);
    return answer as Calls[Name]['answer'];
  }

  /**
   * A request in our own encoding, in parts. `decode` reads the answer's bytes, and may keep views of them until it, or who
   * has them from it, calls `release`; that need not be.
   */
  async callRaw<Decoded>(
    api: RawApi,
    version: number,
    body: Buffer | readonly Buffer[],
    decode: (payload: Buffer, release: () => void) => Decoded,
    waitMsMax = 0,
  ): Promise<Decoded> {
    await this.connect();
    const standIn = this.#bodies.standInFor(Buffer.isBuffer(body) ? [body] : body);
    const request: WireRequest = {
      apiKey: apiKeys[api]!,
      apiVersion: version,
      apiName: api,
      encode: async () => finished(standIn),
    };
    try {
      const answer = await this.#send(
        request,
        async ({ bytes, release }) => decode(bytes, release),
        this.#requestMsMax + waitMsMax,
      );
      return answer as Decoded;
    } finally {
      this.#bodies.forget(standIn);
    }
  }

  /** Ends the connection now: what waits for an answer fails. */
  async destroy(reason: string): Promise<void> {
    for (const connection of this.#wire.connectionPool.pool) {
      const { socket } = connection;
      connection.rejectRequests(new Error(reason));
      await connection.disconnect();
      socket?.destroy();
    }
  }

  async #send(
    request: WireRequest,
    decode: (answer: Answer) => Promise<unknown>,
    requestTimeout: number | undefined,
  ): Promise<unknown> {
    const connection = await this.#wire.connectionPool.getConnection(0);
    try {
      return await connection.send({
        request,
        requestTimeout: requestTimeout ?? null,
        response: {
          decode: (payload: Buffer) => decode(this.#answers.bodyOf(payload)),
          parse: (decoded: unknown) => decoded,
        },
      });
    } catch (error) {
      // A connection that lost one answer is not asked again.
      await this.destroy(`the connection to ${this.host}:${this.port} was given up`);
      throw error;
    }
  }
}

interface Beside {
  readonly bodies: BodiesBeside;
  readonly answers: AnswersBeside;
}

const keepAliveMs = 60_000;

/** A socket as kafkajs's own factory makes it, but for what goes beside it. */
function connected(
  { host, port, ssl, onConnect }: SocketWish,
  { bodies, answers }: Beside,
): Socket {
  const named = isIP(host) === 0 ? { servername: host } : {};
  const socket = answers.socket<Socket>((onread) => {
    const to = { host, port, onread };
    if (!ssl) return connectTcp(to, onConnect);
    // TLS sockets take `onread` too; @types/node does not say so.
    return connectTls({ ...to, ...named, ...(ssl === true ? {} : ssl) } as object, onConnect);
  });
  socket.setKeepAlive(true, keepAliveMs);
  return bodies.attach(socket);
}

/** Kafka's name of an error code, as kafkajs spells it. */
export function errorName(code: number): string {
  if (code === 90) return 'PRODUCER_FENCED';
  return errorCodes.find((row) => row.code === code)?.type ?? `ERROR_${code}`;
}

/** kafkajs writes an encoder's `buf` up to its `offset`: so finished bytes pass through without being built again. */
function finished(bytes: Buffer): WireEncoder {
  const encoder = new Encoder(1);
  encoder.buf = bytes;
  encoder.offset = bytes.length;
  return encoder;
}

/** After its first answer a request queue of kafkajs wakes every millisecond for ever; once something waits is enough. */
function calm({ requestQueue }: WireConnection): void {
  const schedule = requestQueue.scheduleCheckPendingRequests.bind(requestQueue);
  requestQueue.scheduleCheckPendingRequests = () => {
    if (requestQueue.pending.length > 0) schedule();
  };
}

/** What kafkajs calls an error is a lost connection, which the code above it retries or reports. */
function routedLogger(logger: Logger): object {
  const warnLevel = 2;
  return createLogger({
    level: warnLevel,
    logCreator: () => (entry) => {
      const { message, ...fields } = entry.log;
      if (entry.label === 'ERROR') logger.warn({ kafkajs: fields }, message);
      else logger.debug({ kafkajs: fields }, message);
    },
  });
}

/** APIs that we encode and decode ourselves. */
export type RawApi = 'Fetch' | 'Produce' | 'OffsetFetch' | 'Metadata';

interface ErrorCode {
  readonly errorCode: number;
}

interface Producer {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly transactionalId: string;
}

interface TopicOffsets {
  readonly topic: string;
  readonly partitions: readonly { partition: number; offset: number; metadata: string }[];
}

interface Member {
  readonly groupId: string;
  readonly memberId: string;
}

/** kafkajs's request arguments and decoded answers, as far as we use them. */
export interface Calls {
  Metadata: {
    args: { topics: readonly string[]; allowAutoTopicCreation: boolean };
    answer: MetadataAnswer;
  };
  ListOffsets: {
    args: {
      isolationLevel: number;
      topics: readonly {
        topic: string;
        partitions: readonly { partition: number; timestamp: number }[];
      }[];
    };
    answer: {
      responses: {
        topic: string;
        partitions: (ErrorCode & { partition: number; offset: string })[];
      }[];
    };
  };
  DescribeConfigs: {
    args: { resources: readonly { type: number; name: string }[]; includeSynonyms: boolean };
    answer: {
      resources: (ErrorCode & {
        resourceName: string;
        configEntries: { configName: string; configValue: string | null }[];
      })[];
    };
  };
  CreateTopics: {
    args: {
      topics: readonly {
        topic: string;
        numPartitions: number;
        replicationFactor: number;
        configEntries: readonly { name: string; value: string }[];
      }[];
      timeout: number;
    };
    answer: { topicErrors: (ErrorCode & { topic: string; errorMessage?: string })[] };
  };
  DeleteTopics: {
    args: { topics: readonly string[]; timeout: number };
    answer: { topicErrors: (ErrorCode & { topic: string })[] };
  };
  GroupCoordinator: {
    args: { groupId: string; coordinatorType: number };
    answer: ErrorCode & { coordinator: { nodeId: number; host: string; port: number } };
  };
  DescribeGroups: {
    args: { groupIds: readonly string[] };
    answer: { groups: (ErrorCode & { state: string; members: object[] })[] };
  };
  DeleteGroups: {
    args: readonly string[];
    answer: { results: (ErrorCode & { groupId: string })[] };
  };
  JoinGroup: {
    args: Member & {
      sessionTimeout: number;
      rebalanceTimeout: number;
      protocolType: string;
      groupProtocols: readonly { name: string; metadata: Buffer }[];
    };
    answer: ErrorCode & {
      generationId: number;
      leaderId: string;
      memberId: string;
      members: { memberId: string; memberMetadata: Buffer }[];
    };
  };
  SyncGroup: {
    args: Member & {
      generationId: number;
      groupAssignment: readonly { memberId: string; memberAssignment: Buffer }[];
    };
    answer: ErrorCode & { memberAssignment: Buffer };
  };
  Heartbeat: { args: Member & { groupGenerationId: number }; answer: ErrorCode };
  LeaveGroup: { args: Member; answer: ErrorCode };
  InitProducerId: {
    args: { transactionalId: string | undefined; transactionTimeout: number };
    answer: ErrorCode & { producerId: string; producerEpoch: number };
  };
  AddPartitionsToTxn: {
    args: Producer & { topics: readonly { topic: string; partitions: readonly number[] }[] };
    answer: {
      errors: { topic: string; partitionErrors: (ErrorCode & { partition: number })[] }[];
    };
  };
  AddOffsetsToTxn: { args: Producer & { groupId: string }; answer: ErrorCode };
  TxnOffsetCommit: {
    args: Producer & { groupId: string; topics: readonly TopicOffsets[] };
    answer: { topics: { partitions: (ErrorCode & { partition: number })[] }[] };
  };
  OffsetCommit: {
    args: Member & { groupGenerationId: number; topics: readonly TopicOffsets[] };
    answer: { responses: { partitions: (ErrorCode & { partition: number })[] }[] };
  };
  EndTxn: { args: Producer & { transactionResult: boolean }; answer: ErrorCode };
}

export interface MetadataAnswer {
  readonly brokers: readonly { nodeId: number; host: string; port: number }[];
  readonly controllerId: number;
  readonly topicMetadata: readonly TopicMetadata[];
}

export interface TopicMetadata {
  readonly topicErrorCode: number;
  readonly topic: string;
  readonly isInternal: boolean;
  readonly partitionMetadata: readonly {
    readonly partitionErrorCode: number;
    readonly partitionId: number;
    readonly leader: number;
    readonly replicas: readonly number[];
    readonly isr: readonly number[];
  }[];
}
