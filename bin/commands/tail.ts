// `meanstream tail`: assignments to stdout as NDJSON, from Kafka, from a running `dev`, or from the log of a stopped one.

import { once } from 'node:events';
import { type Command, InvalidArgumentError } from 'commander';
import type { Assignment } from '../../schemas/index.ts';
import {
  type CommandContext,
  defaultGatewayUrl,
  example,
  openContext,
  quiet,
  type SettingFlags,
  withSettings,
} from '../command-context.ts';
import { usageError } from '../exit-codes.ts';
import { listenForSignals, type Shutdown } from '../shutdown.ts';

interface TailFlags extends SettingFlags {
  readonly fromBeginning?: boolean;
  readonly follow: boolean;
  readonly cluster?: string;
  readonly max?: number;
  readonly url?: string;
}

export function addTail(program: Command): void {
  withSettings(program.command('tail'))
    .description('assignments as they are made, one JSON object a line')
    .option('--from-beginning', 'begin at the oldest kept assignment, not at the newest')
    .option('--no-follow', 'stop at the end of what is there now')
    .option('--cluster <id>', 'only this cluster, such as c3')
    .option('--max <n>', 'stop after n assignments', positiveInteger)
    .option(
      '--url <url>',
      `of a running dev or gateway (default without Kafka: ${defaultGatewayUrl})`,
    )
    .option('--data-dir <folder>', 'read the embedded log of a dev that is not running')
    .addHelpText(
      'after',
      `
Reads from Kafka when bootstrap.servers is set. Without it, listens to a running \`meanstream dev\` over its
WebSocket (live only: --from-beginning needs Kafka or --data-dir), because a running dev keeps its log to itself.
${example('meanstream tail --max 3', 'meanstream tail --from-beginning --no-follow --data-dir .meanstream')}`,
    )
    .action(tail);
}

async function tail(flags: TailFlags): Promise<void> {
  const context = openContext({ command: 'tail', flags, defaults: quiet });
  const shutdown = listenForSignals();
  const printer = new AssignmentPrinter(flags);
  if (flags.max !== 0) await follow(context, flags, printer, shutdown);
  process.exitCode = shutdown.exitCode();
}

async function follow(
  context: CommandContext,
  flags: TailFlags,
  printer: AssignmentPrinter,
  { signal }: Shutdown,
): Promise<void> {
  const hasKafka = context.settings['bootstrap.servers'].length > 0;
  if (flags.url === undefined && (hasKafka || flags.dataDir !== undefined)) {
    const { tailLog } = await import('../tail-log.ts');
    await tailLog(context, { ...flags, signal, print: (values) => printer.printAll(values) });
    return;
  }
  if (flags.fromBeginning || !flags.follow) {
    throw usageError(
      '--from-beginning and --no-follow need the log: set bootstrap.servers, or stop `dev` and name its folder with --data-dir.',
    );
  }
  const { followLiveAssignments } = await import('../live-assignments.ts');
  await followLiveAssignments({
    url: flags.url ?? defaultGatewayUrl,
    cluster: flags.cluster,
    signal,
    onAssignment: (assignment) => printer.print(assignment),
    onGap: (dropped) =>
      process.stderr.write(`${dropped} assignments left out: reading too slowly\n`),
  });
}

/** More than this waiting for a slow reader of our output, and live assignments are left out. */
const waitingBytesMax = 16_777_216;

class AssignmentPrinter {
  readonly #cluster: string | undefined;
  readonly #max: number;
  #printed = 0;

  constructor({ cluster, max = Number.POSITIVE_INFINITY }: TailFlags) {
    this.#cluster = cluster;
    this.#max = max;
  }

  /** From the log: nothing is left out, a slow reader slows us down. @returns false when enough was printed. */
  async printAll(values: readonly Uint8Array[]): Promise<boolean> {
    let lines = '';
    for (const value of values) {
      const line = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8');
      if (this.#isWanted(line)) lines += `${line}\n`;
    }
    if (!process.stdout.write(lines)) await once(process.stdout, 'drain');
    return this.#printed < this.#max;
  }

  /** Live. @returns false when enough was printed. */
  print(assignment: Assignment): boolean {
    if (process.stdout.writableLength > waitingBytesMax) return true;
    const line = JSON.stringify(assignment);
    if (this.#isWanted(line)) process.stdout.write(`${line}\n`);
    return this.#printed < this.#max;
  }

  #isWanted(line: string): boolean {
    if (this.#printed >= this.#max) return false;
    if (this.#cluster !== undefined && clusterOf(line) !== this.#cluster) return false;
    this.#printed += 1;
    return true;
  }
}

function clusterOf(line: string): string {
  return (JSON.parse(line) as Assignment).clusterId;
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('It must be a whole number above 0.');
  }
  return value;
}
