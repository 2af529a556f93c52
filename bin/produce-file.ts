// A file into `points`: opens the source and the sink, pumps, shows progress, says what became of it.

import { createHash } from 'node:crypto';
import { basename, join, resolve } from 'node:path';
import { topics } from '../schemas/index.ts';
import { openSource, type SourceChunk, type SourceOptions } from '../sources/index.ts';
import { type CommandContext, defaultGatewayUrl, type SettingFlags } from './command-context.ts';
import type { ExitCode } from './exit-codes.ts';
import { openKafka } from './open-broker.ts';
import { HttpPointSink } from './points/http-point-sink.ts';
import { LogPointSink } from './points/log-point-sink.ts';
import type { PointSink } from './points/point-sink.ts';
import { Pace, pumpPoints } from './points/pump-points.ts';
import type { Shutdown } from './shutdown.ts';
import { ProgressLine, progressBar, thousands } from './terminal.ts';

export interface ProduceFlags extends SettingFlags {
  readonly format?: 'csv' | 'ndjson';
  readonly delimiter?: string;
  readonly keyColumn?: string;
  readonly ignoreColumn?: readonly string[];
  readonly rate?: number;
  readonly resume?: boolean;
  readonly url?: string;
  readonly json?: boolean;
}

/** More bad lines than this are counted, not shown. */
const badLinesShownMax = 10;

export async function produceFile(
  context: CommandContext,
  file: string,
  flags: ProduceFlags,
  shutdown: Shutdown,
): Promise<ExitCode> {
  const { sink, close } = await openSink(context, file, flags);
  try {
    const { clock } = context;
    const pace = new Pace(flags.rate, clock, shutdown.signal);
    const source = await openSource(file, {
      ...sourceOptions(flags),
      clock,
      fromLine: sink.nextLine,
      chunkLinesMax: pace.chunkLines,
    });
    const report = new ProduceReport(context, file);
    const { signal } = shutdown;
    const onChunk = (chunk: SourceChunk) => report.add(chunk);
    const isWhole = await pumpPoints({ chunks: source.chunks(), sink, pace, signal, onChunk });
    report.end(isWhole, flags.json ?? false);
    return shutdown.exitCode();
  } finally {
    await close();
  }
}

function sourceOptions(flags: ProduceFlags): Partial<SourceOptions> {
  return {
    standardInput: process.stdin,
    ignoreColumns: flags.ignoreColumn ?? [],
    ...(flags.format && { format: flags.format }),
    ...(flags.delimiter && { delimiter: flags.delimiter }),
    ...(flags.keyColumn && { keyColumn: flags.keyColumn }),
  };
}

async function openSink(
  context: CommandContext,
  file: string,
  flags: ProduceFlags,
): Promise<{ sink: PointSink; close: () => Promise<void> }> {
  const { settings, clock } = context;
  const resume = flags.resume ?? false;
  const name = sourceName(file);
  if (flags.url === undefined && settings['bootstrap.servers'].length > 0) {
    const broker = await openKafka(context);
    try {
      const group = `${settings['application.id']}-produce-${name}`;
      const topic = topics.points;
      const sink = await LogPointSink.open({ broker, clock, topic, group, resume });
      return { sink, close: () => broker.close() };
    } catch (error) {
      await broker.close();
      throw error;
    }
  }
  const url = flags.url ?? defaultGatewayUrl;
  const positionFile = join(settings['state.dir'], 'produce', name);
  const sink = await HttpPointSink.open({ url, clock, positionFile, resume });
  return { sink, close: () => sink.close() };
}

/** The same for every run over the same file. */
function sourceName(file: string): string {
  const digest = createHash('sha256').update(resolve(file)).digest('hex').slice(0, 8);
  return `${basename(file).replaceAll(/[^\w.-]/g, '_')}-${digest}`;
}

class ProduceReport {
  readonly #context: CommandContext;
  readonly #file: string;
  readonly #line = new ProgressLine(process.stderr);
  readonly #startedAtMs: number;
  #points = 0;
  #badLines = 0;

  constructor(context: CommandContext, file: string) {
    this.#context = context;
    this.#file = file;
    this.#startedAtMs = context.clock.monotonicMs();
  }

  add({ records, badLines, bytesRead, bytesTotal }: SourceChunk): void {
    this.#points += records.n;
    for (const { line, reason } of badLines) {
      this.#badLines += 1;
      if (this.#badLines > badLinesShownMax) continue;
      this.#line.end(`line ${line} of ${this.#file} ${reason}: left out`);
    }
    const bar = bytesTotal === undefined ? '' : `${progressBar(bytesRead / bytesTotal)}  `;
    this.#line.update(`${bar}${thousands(this.#points)} points  ${thousands(this.#rate())}/s`);
  }

  end(isWhole: boolean, asJson: boolean): void {
    const seconds = this.#seconds();
    const stopped = isWhole ? '' : '; stopped early, --resume goes on from here';
    this.#line.end(
      `${thousands(this.#points)} points in ${seconds.toFixed(1)} s, ${this.#badLines} lines left out${stopped}`,
    );
    if (!asJson) return;
    const totals = { points: this.#points, badLines: this.#badLines, seconds, isWhole };
    process.stdout.write(`${JSON.stringify(totals)}\n`);
  }

  #seconds(): number {
    return (this.#context.clock.monotonicMs() - this.#startedAtMs) / 1_000;
  }

  #rate(): number {
    return this.#points / Math.max(0.001, this.#seconds());
  }
}
