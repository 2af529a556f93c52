// Messages as bytes and back. Models, centroid deltas, samples and quality summaries are Avro (the *.avsc beside this
// file, read once); commands, events and drift reports are JSON, for people and for tools that are not ours.
// What a decoder returns owns its memory. A decoder throws InvalidRecordError for bytes that are no such message.

import { readFileSync } from 'node:fs';
import avsc from 'avsc';
import { InvalidRecordError } from '../support/index.ts';
import {
  type BootstrapSample,
  type CancelRetrainCommand,
  type CentroidDelta,
  type ChallengerReport,
  type ClusterEvent,
  type DriftReport,
  type LearningMessage,
  type ModelCommand,
  type ModelDecision,
  type QualitySummary,
  type RetrainCommand,
  retrainTriggers,
  type ShadowComparison,
  type ShadowSummary,
  type VersionArtifact,
} from './messages.ts';
import type { Model } from './model.ts';
import { bytesOf, numbersIn } from './number-arrays.ts';
import type { RetrainState } from './retrain-state.ts';

class Float64ArrayType extends avsc.types.LogicalType {
  protected override _fromValue(bytes: Buffer): Float64Array {
    return numbersIn(bytes, Float64Array);
  }
  protected override _toValue(array: Float64Array): Buffer {
    return bytesOf(array);
  }
}

class Float32ArrayType extends avsc.types.LogicalType {
  protected override _fromValue(bytes: Buffer): Float32Array {
    return numbersIn(bytes, Float32Array);
  }
  protected override _toValue(array: Float32Array): Buffer {
    return bytesOf(array);
  }
}

class Int32ArrayType extends avsc.types.LogicalType {
  protected override _fromValue(bytes: Buffer): Int32Array {
    return numbersIn(bytes, Int32Array);
  }
  protected override _toValue(array: Int32Array): Buffer {
    return bytesOf(array);
  }
}

const modelType = typeOf('model');
const learningMessageType = typeOf('learning-message');
const qualityType = typeOf('quality-summary');

/** The key of a model on `models`: default/<version>/0 for ever, default/current/0 for the one in use. */
export function modelKey(version: string): Uint8Array {
  return Buffer.from(`default/${version}/0`);
}

/** The key of a decision on `models`. */
export function decisionKey(number: number): Uint8Array {
  return Buffer.from(`default/decision-${number}/0`);
}

/** The key on `models` of the comparison that began with a decision. */
export function comparisonKey(decision: number): Uint8Array {
  return Buffer.from(`default/comparison-${decision}/0`);
}

/** The key on `models` of where a version lies outside of it. */
export function artifactKey(version: string): Uint8Array {
  return Buffer.from(`default/artifact-${version}/0`);
}

/** The key on `models` of a claim to a generation ("1.2"). All claims to one are kept; it is whose claim is first in the log. */
export function claimKey(generation: string, claimant: string): Uint8Array {
  return Buffer.from(`default/claim-${generation}-${claimant}/0`);
}

/** For people: what counts of a claim is its key, and its place in the log. */
export function encodeClaim(generation: string, claimant: string, timestampMs: number): Uint8Array {
  return toJson({ version: `${generation}.0`, claimant, timestampMs });
}

/** What a key of `models` stands for, and whose it is if it is a claim; undefined for a key that is none of ours. */
export function modelRecordKind(
  key: Uint8Array | null,
):
  | { readonly kind: ModelRecordKind; readonly name: string; readonly claimant?: string }
  | undefined {
  const text = key === null ? '' : utf8(key);
  const [, kind, number, archived, claimed, claimant, version] = recordPattern.exec(text) ?? [];
  if (version !== undefined) return { kind: 'model', name: version };
  if (claimant !== undefined) return { kind: 'claim', name: claimed!, claimant };
  if (archived !== undefined) return { kind: 'artifact', name: archived };
  if (number === undefined) return undefined;
  return { kind: kind as 'decision' | 'comparison', name: number };
}

export type ModelRecordKind = 'model' | 'decision' | 'comparison' | 'artifact' | 'claim';

const recordPattern =
  /^default\/(?:(decision|comparison)-(\d+)|artifact-(\d+\.\d+\.\d+)|claim-(\d+\.\d+)-([\w-]+)|(current|\d+\.\d+\.\d+))\/0$/;

export function encodeVersionArtifact(archived: VersionArtifact): Uint8Array {
  return toJson(archived);
}

export function decodeVersionArtifact(bytes: Uint8Array): VersionArtifact {
  const archived = fromJson<VersionArtifact>('place of a version', bytes);
  const { version, artifact, others } = archived;
  if (version && /^sha256\/[0-9a-f]{64}$/.test(artifact) && Array.isArray(others)) return archived;
  throw invalidMessage('The place of a version names no version, or no artifact.');
}

export function encodeModelDecision(decision: ModelDecision): Uint8Array {
  return toJson(decision);
}

export function decodeModelDecision(bytes: Uint8Array): ModelDecision {
  const decision = fromJson<ModelDecision>('model decision', bytes);
  const { number, action, alias, outcome } = decision;
  if (Number.isSafeInteger(number) && action && alias && outcome) return decision;
  throw invalidMessage('A model decision has no number, action, alias or outcome.');
}

export function encodeModel(model: Model): Uint8Array {
  return modelType.toBuffer(model);
}

export function decodeModel(bytes: Uint8Array): Model {
  const model = fromAvro<Model>(modelType, 'model', bytes);
  const { k, dims } = model;
  expectLengths('model', [
    [model.clusterIds, k],
    [model.centroids, k * dims],
    [model.reference, k * dims],
    [model.weights, k],
    [model.sumSquares, k],
    [model.mean, dims],
    [model.scale, dims],
    [model.featureMeans, model.missing === 'mean' ? dims : 0],
  ]);
  return model;
}

export function encodeLearningMessage(message: LearningMessage): Uint8Array {
  return learningMessageType.toBuffer(
    message.kind === 'delta'
      ? { 'meanstream.CentroidDelta': message }
      : { 'meanstream.BootstrapSample': message },
  );
}

export function decodeLearningMessage(bytes: Uint8Array): LearningMessage {
  const {
    'meanstream.CentroidDelta': delta,
    'meanstream.BootstrapSample': sample,
  }: LearningMessageBranches = fromAvro(learningMessageType, 'learning message', bytes);
  return delta ? checkedDelta(delta) : checkedSample(sample!);
}

interface LearningMessageBranches {
  readonly 'meanstream.CentroidDelta'?: CentroidDelta;
  readonly 'meanstream.BootstrapSample'?: BootstrapSample;
}

function checkedDelta(delta: CentroidDelta): CentroidDelta {
  const touched = delta.clusters.length;
  expectLengths('centroid delta', [
    [delta.weights, touched],
    [delta.sumSquares, touched],
    [delta.sums, touched === 0 ? 0 : delta.sums.length - (delta.sums.length % touched)],
  ]);
  return Object.assign(delta, { kind: 'delta' as const });
}

function checkedSample(sample: BootstrapSample): BootstrapSample {
  expectLengths('bootstrap sample', [[sample.values, sample.weights.length * sample.dims]]);
  return Object.assign(sample, { kind: 'sample' as const });
}

export function encodeQuality(summary: QualitySummary): Uint8Array {
  return qualityType.toBuffer(summary);
}

export function decodeQuality(bytes: Uint8Array): QualitySummary {
  const summary = fromAvro<QualitySummary>(qualityType, 'quality summary', bytes);
  expectLengths('quality summary', [[summary.featureSquareSums, summary.featureSums.length]]);
  return summary;
}

export function encodeModelCommand(command: ModelCommand): Uint8Array {
  return toJson(command);
}

const versionPattern = /^\d+\.\d+\.\d+$/;
const commandFields = ['promote', 'rollback', 'alias', 'pin', 'unpin', 'prune'];

function areVersions(versions: unknown): boolean {
  return (
    Array.isArray(versions) &&
    versions.length > 0 &&
    versions.every((each) => versionPattern.test(each))
  );
}

/** Commands may be written by hand, so every field is checked. */
export function decodeModelCommand(bytes: Uint8Array): ModelCommand {
  const command = fromJson<ModelCommand>('model command', bytes);
  const { command: name, version, versions, alias, id, expected, judged } = command;
  const isVersion = typeof version === 'string' && versionPattern.test(version);
  const isNone = version === undefined || version === null;
  const wanted = { promote: isVersion, rollback: isVersion || isNone, alias: isVersion || isNone };
  const fields: [keyof ModelCommand, boolean][] = [
    ['command', commandFields.includes(name)],
    ['version', { ...wanted, pin: isNone, unpin: isNone, prune: isNone }[name] ?? true],
    ['versions', name === 'prune' ? areVersions(versions) : versions === undefined],
    ['alias', name === 'alias' ? ['challenger', 'shadow'].includes(alias!) : alias === undefined],
    ['id', id === undefined || typeof id === 'string'],
    ['expected', expected === undefined || Number.isSafeInteger(expected)],
    ['judged', judged === undefined || (name === 'promote' && Number.isSafeInteger(judged))],
    ['requestedBy', typeof command.requestedBy === 'string'],
    ['reason', typeof command.reason === 'string'],
    ['timestampMs', Number.isSafeInteger(command.timestampMs)],
  ];
  requireValid('A model command', fields);
  return command;
}

function requireValid(what: string, fields: readonly (readonly [string, boolean])[]): void {
  const wrong = fields.filter(([, valid]) => !valid).map(([field]) => field);
  if (wrong.length === 0) return;
  throw invalidMessage(`${what} has no valid "${wrong.join('", "')}".`);
}

export function encodeRetrainCommand(command: RetrainCommand | CancelRetrainCommand): Uint8Array {
  return toJson(command);
}

/** @returns undefined for a command of another kind */
export function decodeRetrainCommand(
  bytes: Uint8Array,
): RetrainCommand | CancelRetrainCommand | undefined {
  const command = fromJson<RetrainCommand | CancelRetrainCommand>('command', bytes);
  if (command.command === 'cancel-retrain') return checkedCancel(command);
  if (command.command !== 'retrain') return undefined;
  const { trigger, k, requestedBy, reason, timestampMs } = command;
  const fields: [keyof RetrainCommand, boolean][] = [
    ['trigger', retrainTriggers.includes(trigger)],
    ['k', k === undefined || (Number.isSafeInteger(k) && k >= 1)],
    ['requestedBy', typeof requestedBy === 'string'],
    ['reason', typeof reason === 'string'],
    ['timestampMs', Number.isSafeInteger(timestampMs)],
  ];
  requireValid('A request for a retrain', fields);
  return command;
}

function checkedCancel(command: CancelRetrainCommand): CancelRetrainCommand {
  requireValid('A request to cancel a retrain', [
    ['id', typeof command.id === 'string'],
    ['requestedBy', typeof command.requestedBy === 'string'],
    ['reason', typeof command.reason === 'string'],
    ['timestampMs', Number.isSafeInteger(command.timestampMs)],
  ]);
  return command;
}

export function encodeChallengerReport(report: ChallengerReport): Uint8Array {
  return toJson(report);
}

export function decodeChallengerReport(bytes: Uint8Array): ChallengerReport {
  return fromJson('challenger report', bytes);
}

export function encodeRetrainState(state: RetrainState): Uint8Array {
  return toJson(state);
}

export function decodeRetrainState(bytes: Uint8Array): RetrainState {
  return fromJson('retrain state', bytes);
}

export function encodeShadowSummary(summary: ShadowSummary): Uint8Array {
  return toJson(summary);
}

export function decodeShadowSummary(bytes: Uint8Array): ShadowSummary {
  return fromJson('shadow summary', bytes);
}

export function encodeShadowComparison(comparison: ShadowComparison): Uint8Array {
  return toJson(comparison);
}

export function decodeShadowComparison(bytes: Uint8Array): ShadowComparison {
  return fromJson('comparison', bytes);
}

export function encodeClusterEvent(event: ClusterEvent): Uint8Array {
  return toJson(event);
}

export function decodeClusterEvent(bytes: Uint8Array): ClusterEvent {
  return fromJson('cluster event', bytes);
}

export function encodeDrift(report: DriftReport): Uint8Array {
  return toJson(report);
}

export function decodeDrift(bytes: Uint8Array): DriftReport {
  return fromJson('drift report', bytes);
}

function typeOf(name: string): avsc.Type {
  const schema = JSON.parse(readFileSync(new URL(`./${name}.avsc`, import.meta.url), 'utf8'));
  return avsc.Type.forSchema(schema, {
    logicalTypes: {
      'float64-array': Float64ArrayType,
      'float32-array': Float32ArrayType,
      'int32-array': Int32ArrayType,
    },
  });
}

function fromAvro<T>(type: avsc.Type, what: string, bytes: Uint8Array): T {
  try {
    return type.fromBuffer(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  } catch (cause) {
    throw invalidMessage(`${bytes.length} bytes are not a ${what} in our Avro schema.`, cause);
  }
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

function toJson(message: object): Uint8Array {
  return Buffer.from(JSON.stringify(message));
}

function fromJson<T extends object>(what: string, bytes: Uint8Array): T {
  let value: unknown;
  try {
    value = JSON.parse(utf8(bytes));
  } catch (cause) {
    throw invalidMessage(`${bytes.length} bytes are not the JSON of a ${what}.`, cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidMessage(`A ${what} must be a JSON object.`);
  }
  return value as T;
}

function expectLengths(what: string, columns: readonly [ArrayLike<unknown>, number][]): void {
  if (columns.some(([column, length]) => column.length !== length)) {
    throw invalidMessage(`A ${what} has columns of the wrong length.`);
  }
}

function invalidMessage(message: string, cause?: unknown): InvalidRecordError {
  return new InvalidRecordError('MEANSTREAM_INVALID_MESSAGE', message, { cause });
}
