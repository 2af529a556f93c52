// What a runtime is given, and what it works with: every option present, checked, durations in milliseconds.

import type { Broker, ProcessingGuarantee } from '../broker/index.ts';
import {
  type EngineKind,
  type EngineOptions,
  openEngine,
  type StateStore,
} from '../state-stores/index.ts';
import {
  type Clock,
  InvalidSettingError,
  type Logger,
  Metrics,
  silentLogger,
} from '../support/index.ts';
import type { Topology } from '../topology/index.ts';

export interface StreamRuntimeOptions {
  readonly topology: Topology;
  /** Connected by `start`; the caller closes it. */
  readonly broker: Broker;
  /** Names the consumer group, the changelogs and the transactional ids. */
  readonly applicationId: string;
  /** Stable over restarts of this process, so that it gets its old tasks back. */
  readonly instanceId: string;
  /** Stores live in `<stateDir>/<applicationId>/<taskId>/<store>`. */
  readonly stateDir: string;
  readonly clock: Clock;
  /** Default rocksdb. */
  readonly storeEngine?: EngineKind;
  /** Opens the engine of a store; default: `storeEngine`, in the store's folder. */
  readonly openEngine?: (options: EngineOptions) => Promise<StateStore>;
  /** What a crash may do. Default exactly_once_v2: nothing. */
  readonly processingGuarantee?: ProcessingGuarantee;
  /** A task with something to commit does so after this long at the latest. Default 100. */
  readonly commitIntervalMs?: number;
  /** … or as soon as it has taken in this many rows (default 65,536) … */
  readonly commitRowsMax?: number;
  /** … or holds this many bytes of output (default 16 MiB). */
  readonly commitBytesMax?: number;
  /** Most rows handed to a processor in one call: it bounds how long the event loop is held. Default 4096. */
  readonly batchRowsMax?: number;
  /** Where to begin when the group has no offset, or one the log no longer holds. Default earliest. */
  readonly autoOffsetReset?: 'earliest' | 'latest';
  /** Of changelog topics. Default 1. */
  readonly replicationFactor?: number;
  /** Default 10,000. */
  readonly sessionTimeoutMs?: number;
  /** Runtimes with the same one share `stateDir`: the threads of a process. Default: `instanceId`. */
  readonly processId?: string;
  /** Copies of every store on other disks, ready to take over. Default 0. */
  readonly standbyReplicas?: number;
  /** Most copies made at one time for tasks that are to move here. Default 2. */
  readonly warmupReplicasMax?: number;
  /** A copy that lacks no more changelog records than this may take over at once. Default 10,000. */
  readonly recoveryLagMax?: number;
  /** A task that has something to do and makes no progress for this long is restarted; 0: never. Default 60,000. */
  readonly watchdogTimeoutMs?: number;
  /** `stop` gives up after this long. Default 30,000. */
  readonly stopTimeoutMs?: number;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  /** Told once for each task (or global store) that stopped for good. The rest of the runtime goes on. */
  readonly onFatal?: (error: Error) => void;
}

export type RuntimeOptions = Required<StreamRuntimeOptions>;

const defaults = {
  storeEngine: 'rocksdb',
  processingGuarantee: 'exactly_once_v2',
  commitIntervalMs: 100,
  commitRowsMax: 65_536,
  commitBytesMax: 16_777_216,
  batchRowsMax: 4096,
  autoOffsetReset: 'earliest',
  replicationFactor: 1,
  sessionTimeoutMs: 10_000,
  standbyReplicas: 0,
  warmupReplicasMax: 2,
  recoveryLagMax: 10_000,
  watchdogTimeoutMs: 60_000,
  stopTimeoutMs: 30_000,
  logger: silentLogger,
  onFatal: () => {},
} as const;

/** @throws InvalidSettingError naming all that is wrong. */
export function compileRuntimeOptions(given: StreamRuntimeOptions): RuntimeOptions {
  const options: RuntimeOptions = {
    ...defaults,
    processId: given.instanceId,
    openEngine: (of) => openEngine(given.storeEngine ?? defaults.storeEngine, of),
    metrics: given.metrics ?? new Metrics(),
    ...withoutUndefined(given),
  };
  const faults = [...nameFaults(options), ...numberFaults(options)];
  if (faults.length === 0) return options;
  throw new InvalidSettingError(`The runtime cannot start. ${faults.join(' ')}`, { faults });
}

function withoutUndefined(given: StreamRuntimeOptions): StreamRuntimeOptions {
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as unknown as StreamRuntimeOptions;
}

/** They become names of topics and folders. */
function nameFaults({ applicationId, instanceId, stateDir }: RuntimeOptions): string[] {
  const faults: string[] = [];
  if (!/^[\w.-]+$/.test(applicationId) || applicationId.startsWith('.')) {
    faults.push(`applicationId "${applicationId}" must be letters, digits, "_", "-" and ".".`);
  }
  if (instanceId === '') faults.push('instanceId is empty.');
  if (stateDir === '') faults.push('stateDir is empty.');
  return faults;
}

function numberFaults(options: RuntimeOptions): string[] {
  const names = [
    'commitIntervalMs',
    'commitRowsMax',
    'commitBytesMax',
    'batchRowsMax',
    'replicationFactor',
    'sessionTimeoutMs',
    'warmupReplicasMax',
    'stopTimeoutMs',
  ] as const;
  const orZero = ['standbyReplicas', 'recoveryLagMax', 'watchdogTimeoutMs'] as const;
  const isWrong = (name: (typeof names | typeof orZero)[number], least: number) =>
    !Number.isInteger(options[name]) || options[name] < least;
  return [
    ...names
      .filter((name) => isWrong(name, 1))
      .map((name) => `${name} must be a whole number above 0, not ${options[name]}.`),
    ...orZero
      .filter((name) => isWrong(name, 0))
      .map((name) => `${name} must be a whole number from 0, not ${options[name]}.`),
  ];
}
