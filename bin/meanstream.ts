#!/usr/bin/env node
// The one CLI. program.ts has the commands; this file only ends the process.

import { exitCodes } from './exit-codes.ts';
import { main, reportError } from './program.ts';

for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error) => {
    reportError(error);
    process.exit(exitCodes.runtime);
  });
}

// `meanstream tail | head` closes our output: that is how it ends, not a fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok);
  throw error;
});

const exitCode = await main(process.argv);
// A pipe takes what is written in its own time; exiting before that would cut the output off.
await new Promise((resolve) => process.stdout.write('', resolve));
process.exit(exitCode);
