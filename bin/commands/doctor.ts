// `meanstream doctor`: looks at everything this needs, says what is wrong and what to do.

import type { Command } from 'commander';
import {
  example,
  openContext,
  quiet,
  type SettingFlags,
  withSettings,
} from '../command-context.ts';
import { type Diagnosis, diagnose } from '../doctor/check.ts';
import { exitCodes } from '../exit-codes.ts';
import { styled } from '../terminal.ts';

interface DoctorFlags extends SettingFlags {
  readonly json?: boolean;
}

export function addDoctor(program: Command): void {
  withSettings(program.command('doctor'))
    .description('check this machine, Kafka and the topics; exit code 4 when something is wrong')
    .option('--json', 'as JSON')
    .addHelpText('after', example('meanstream doctor --set bootstrap.servers=localhost:9092'))
    .action(doctor);
}

async function doctor(flags: DoctorFlags): Promise<void> {
  const context = openContext({ command: 'doctor', flags, defaults: quiet });
  const { machineChecks } = await import('../doctor/machine-checks.ts');
  const { kafkaChecks } = await import('../doctor/kafka-checks.ts');
  const checks = [...machineChecks(context.settings), ...kafkaChecks(context)];
  const diagnoses = await diagnose(checks);
  if (flags.json) process.stdout.write(`${JSON.stringify(diagnoses, null, 2)}\n`);
  else for (const diagnosis of diagnoses) process.stdout.write(`${sentence(diagnosis)}\n`);
  if (diagnoses.some(({ ok }) => !ok)) process.exitCode = exitCodes.checkFailed;
}

function sentence({ check, ok, found, remedy }: Diagnosis): string {
  const mark = ok
    ? styled(process.stdout, 'green', 'ok    ')
    : styled(process.stdout, 'red', 'FAILED');
  const advice = remedy === undefined ? '' : `\n       → ${remedy}`;
  return `${mark} ${check}: ${found}${advice}`;
}
