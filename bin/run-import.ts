// `meanstream models import`: a clustering made elsewhere becomes a candidate version.

import { readFile } from 'node:fs/promises';
import { type ImportedClusterer, readClusterer } from '../imports/index.ts';
import { type ImportReport, importModel } from '../jobs/index.ts';
import { InvalidModelFileError, InvalidSettingError } from '../support/index.ts';
import { archiveOnce } from './archive-versions.ts';
import type { CommandContext } from './command-context.ts';
import { openKafka, openStopped } from './open-broker.ts';
import { codeVersion } from './package-root.ts';
import { pointDecoder } from './pipeline.ts';
import type { ModelsFlags } from './run-models.ts';
import { ProgressLine, progressBar, thousands } from './terminal.ts';

export interface ImportFlags extends ModelsFlags {
  readonly promote?: boolean;
}

export async function importModelFile(
  context: CommandContext,
  file: string,
  flags: ImportFlags,
): Promise<void> {
  const { settings, clock } = context;
  const model = named(await clustererIn(file), context);
  const { dataDir, promote = false } = flags;
  const broker =
    dataDir === undefined ? await openKafka(context) : await openStopped(context, dataDir);
  const line = new ProgressLine(process.stderr);
  try {
    const report = await importModel({
      ...{ broker, model, promote, clock },
      group: settings['application.id'],
      requestedBy: settings['group.instance.id'],
      reason: `meanstream models import ${file}`,
      seed: settings['model.seed'],
      codeVersion: codeVersion(),
      decode: pointDecoder(settings),
      // Nobody runs on the log of a stopped dev: its owner obeys when it starts.
      ...(dataDir !== undefined && { promotionWaitMsMax: 0 }),
      onProgress: (records, of) =>
        line.update(
          `measure ${progressBar(of === 0 ? 1 : records / of)}  ${thousands(records)} points`,
        ),
    });
    line.end(reportText(report, flags));
    if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    await archiveOnce(context, broker);
  } finally {
    await broker.close();
  }
}

async function clustererIn(file: string): Promise<ImportedClusterer> {
  let bytes: Uint8Array;
  try {
    bytes = file === '-' ? await standardInput() : await readFile(file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new InvalidModelFileError(`${file} cannot be read (${code}).`, { cause });
  }
  try {
    return readClusterer(bytes);
  } catch (cause) {
    if (!(cause instanceof InvalidModelFileError)) throw cause;
    throw new InvalidModelFileError(`${file} cannot be imported. ${cause.message}`, { cause });
  }
}

async function standardInput(): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

/** Before there is a model, the settings say what the stream is like. */
function named(model: ImportedClusterer, { settings }: CommandContext): ImportedClusterer {
  const dims = settings['model.dimensions'] || settings['model.features'].length;
  if (dims > 0 && dims !== model.dims) {
    throw new InvalidSettingError(
      `The model has ${model.dims} dimensions, but model.dimensions and model.features say ${dims}.`,
    );
  }
  if (model.source === 'meanstream') return model;
  const features = model.features.length > 0 ? model.features : settings['model.features'];
  return { ...model, features };
}

function reportText(report: ImportReport, { dataDir }: ImportFlags): string {
  const { version, k, dimensions, parent, points, idsKept, promoted } = report;
  const what = `${version}: ${k} clusters in ${dimensions} dimensions`;
  const fate = !promoted
    ? 'published as a candidate'
    : dataDir === undefined
      ? 'promoted'
      : 'published; promoted when dev starts';
  if (points === 0 || report.parentMeanSquaredDistance === null) {
    return `${what}; ${fate}. There are no points to measure it on yet.`;
  }
  const change = report.meanSquaredDistance! / report.parentMeanSquaredDistance - 1;
  const inertia = `inertia ${change < 0 ? '' : '+'}${(change * 100).toFixed(2)} % against ${parent}`;
  return `${what}, ${idsKept} of them known ones; ${inertia} on ${thousands(points)} points; ${fate}`;
}
