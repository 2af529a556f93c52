// The command line: subcommands, help, and how a process ends. One file per subcommand in commands/.

import { Command, CommanderError } from 'commander';
import { MeanstreamError } from '../support/index.ts';
import { example } from './command-context.ts';
import { addChallengers } from './commands/challengers.ts';
import { addConfig } from './commands/config.ts';
import { addDev } from './commands/dev.ts';
import { addDoctor } from './commands/doctor.ts';
import { addRecommendK } from './commands/k-recommend.ts';
import { addModels } from './commands/models.ts';
import { addProduce } from './commands/produce.ts';
import { addReset } from './commands/reset.ts';
import { addRetrain } from './commands/retrain.ts';
import { addRetrainWorker } from './commands/retrain-worker.ts';
import { addServices } from './commands/services.ts';
import { addTail } from './commands/tail.ts';
import { addTopics } from './commands/topics.ts';
import { addTopology } from './commands/topology.ts';
import { addVerify } from './commands/verify.ts';
import { exitCodeOf, exitCodes, exitCodesHelp } from './exit-codes.ts';
import { codeVersion } from './package-root.ts';
import { styled } from './terminal.ts';

/** In the order of the help. */
const commands = [
  addDev,
  addServices,
  addRetrain,
  addRetrainWorker,
  addRecommendK,
  addChallengers,
  addModels,
  addVerify,
  addProduce,
  addTail,
  addTopics,
  addTopology,
  addReset,
  addDoctor,
  addConfig,
];

export function buildProgram(): Command {
  const program = new Command('meanstream')
    .description('Online k-means on Kafka: every point assigned within milliseconds, exactly once.')
    .version(codeVersion())
    .exitOverride()
    .showHelpAfterError('(--help shows how)')
    .configureHelp({ showGlobalOptions: false })
    .addHelpText('after', `${example('meanstream dev')}\n\n${exitCodesHelp}`);
  for (const add of commands) add(program);
  return program;
}

/** Runs one command line. @returns the exit code; every error has been written to stderr. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    await buildProgram().parseAsync([...argv]);
    return Number(process.exitCode ?? exitCodes.ok);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
    reportError(error);
    return exitCodeOf(error);
  }
}

/** An error of the world is a sentence with its code; an error of ours comes with its stack. */
export function reportError(error: unknown): void {
  const label = styled(process.stderr, 'red', 'error');
  if (error instanceof MeanstreamError) {
    process.stderr.write(`${label} ${error.code}: ${error.message}\n`);
    return;
  }
  const details = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${label}: ${details}\n`);
}
