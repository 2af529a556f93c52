// Model versions as commands see them: read from the models topic of Kafka, or of the embedded log of a stopped `dev`.

import { writeFile } from 'node:fs/promises';
import type { Broker } from '../broker/index.ts';
import { encodeOnnx, encodePmml, encodeSafetensors } from '../exports/index.ts';
import { archivedVersion, ModelFollower } from '../jobs/index.ts';
import type { Model } from '../schemas/index.ts';
import type { ModelRegistry } from '../state-stores/index.ts';
import { InvalidSettingError, MeanstreamError } from '../support/index.ts';
import { archiveOnce } from './archive-versions.ts';
import type { CommandContext, SettingFlags } from './command-context.ts';
import { openArtifacts } from './open-artifacts.ts';
import { openKafka, openStopped } from './open-broker.ts';
import { table, thousands } from './terminal.ts';

export interface ModelsFlags extends SettingFlags {
  readonly json?: boolean;
}

export type ExportFormat = 'onnx' | 'pmml' | 'safetensors';

export interface ExportFlags extends ModelsFlags {
  readonly format: ExportFormat;
  readonly out: string;
}

export async function listModels(context: CommandContext, flags: ModelsFlags): Promise<void> {
  const registry = await registryOf(context, flags);
  const models = registry.list();
  if (flags.json) return print(JSON.stringify(models.map((model) => summary(model, registry))));
  const rows = models.map((model) => {
    const { version, aliases, origin, k, dimensions, createdAt, points } = summary(model, registry);
    const origins = model.parent === null ? origin : `${origin} of ${model.parent}`;
    return [
      version,
      aliases.join(', '),
      origins,
      `${k} × ${dimensions}`,
      thousands(points),
      createdAt,
    ];
  });
  print(table(['version', 'alias', 'origin', 'k × dims', 'log records', 'created'], rows));
}

export async function showModel(
  context: CommandContext,
  version: string,
  flags: ModelsFlags,
): Promise<void> {
  const registry = await registryOf(context, flags);
  const model = modelIn(registry, version);
  const clusters = clustersOf(model);
  const { offsets, quality, parameters } = model;
  const all = { ...summary(model, registry), offsets, quality, parameters };
  if (flags.json) return print(JSON.stringify({ ...all, features: model.features, clusters }));
  const facts = Object.entries(all).map(([name, value]) => [
    name,
    typeof value === 'object' ? JSON.stringify(value) : String(value),
  ]);
  const rows = clusters.map(({ clusterId, share, weight, centroid }) => [
    clusterId,
    `${(share * 100).toFixed(1)} %`,
    thousands(weight),
    shortVector(centroid),
  ]);
  print(table([], facts));
  print(table(['cluster', 'share', 'weight', 'centroid'], rows));
}

export async function exportModel(
  context: CommandContext,
  version: string,
  flags: ExportFlags,
): Promise<void> {
  const model = await versionOf(context, version, flags);
  const encoders = { onnx: encodeOnnx, pmml: encodePmml, safetensors: encodeSafetensors };
  const bytes = encoders[flags.format](model);
  try {
    await writeFile(flags.out, bytes, { flag: 'wx' });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    throw new MeanstreamError(
      'MEANSTREAM_REFUSED',
      `${flags.out} exists; name another file with --out, or remove it.`,
      { cause },
    );
  }
  process.stderr.write(
    `version ${model.version} as ${flags.format} in ${flags.out}: ${thousands(bytes.length)} bytes\n`,
  );
}

/** Where no record has it any more, its artifact may. */
async function versionOf(
  context: CommandContext,
  version: string,
  flags: ModelsFlags,
): Promise<Model> {
  const registry = await registryOf(context, flags);
  const place = registry.artifact(version);
  if (place === undefined || registry.find(version) !== undefined)
    return modelIn(registry, version);
  const artifacts = await openArtifacts(context);
  try {
    const model = await archivedVersion(artifacts, place);
    process.stderr.write(`version ${version} is not on models any more; this is its artifact\n`);
    return model;
  } finally {
    await artifacts.close();
  }
}

/** Writes what is not in the artifact store yet, or one version again. */
export async function archiveModels(
  context: CommandContext,
  version: string | undefined,
  flags: ModelsFlags,
): Promise<void> {
  const broker = await openLog(context, flags);
  try {
    const places = await archiveOnce(context, broker, version === undefined ? [] : [version]);
    if (flags.json) return print(JSON.stringify(places));
    for (const place of places) print(`${place.version} is ${place.artifact}`);
    if (version !== undefined && !places.some((place) => place.version === version)) {
      throw new InvalidSettingError(`There is no version ${version} with a record of its own.`);
    }
    if (places.length === 0) print('every version is archived');
  } finally {
    await broker.close();
  }
}

export function openLog(context: CommandContext, { dataDir }: ModelsFlags): Promise<Broker> {
  return dataDir === undefined ? openKafka(context) : openStopped(context, dataDir);
}

export async function registryOf(
  context: CommandContext,
  flags: ModelsFlags,
): Promise<ModelRegistry> {
  const broker = await openLog(context, flags);
  try {
    const follower = await ModelFollower.open(broker);
    await follower.close();
    return follower.registry;
  } finally {
    await broker.close();
  }
}

export function modelIn(registry: ModelRegistry, version: string): Model {
  const model = registry.find(version);
  if (model !== undefined) return model;
  const known = registry.list().map((each) => each.version);
  throw new InvalidSettingError(
    known.length === 0
      ? 'There is no model yet. Produce points and let the stream bootstrap its first one.'
      : `There is no version ${version}; there are ${known.slice(0, 8).join(', ')}. Versions between two births are kept only while current.`,
  );
}

function summary(model: Model, registry: ModelRegistry) {
  const { version, parent, origin, k, dims, metric, offsets, createdAtMs } = model;
  const points = Object.values(offsets).reduce((sum, { from, to }) => sum + to - from, 0);
  return {
    ...{ version, parent, origin, metric, k, dimensions: dims, points },
    aliases: registry.aliases(version),
    artifact: registry.artifact(version)?.artifact ?? null,
    createdAt: new Date(createdAtMs).toISOString(),
  };
}

function clustersOf({ k, dims, clusterIds, weights, centroids }: Model) {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return Array.from({ length: k }, (_, j) => ({
    clusterId: clusterIds[j]!,
    weight: weights[j]!,
    share: total > 0 ? weights[j]! / total : 0,
    centroid: [...centroids.subarray(j * dims, (j + 1) * dims)],
  }));
}

const shownDims = 8;

function shortVector(values: readonly number[]): string {
  const shown = values.slice(0, shownDims).map((value) => value.toPrecision(4));
  return values.length > shownDims ? `${shown.join(' ')} …` : shown.join(' ');
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
