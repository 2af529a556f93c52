// `meanstream config …`: what this process would run with, and the pages made from the settings table.

import type { Command } from 'commander';
import {
  effectiveSettings,
  isSettingKey,
  nearestName,
  settingKeys,
  settings,
  settingsPage,
  settingsSchema,
} from '../../config/index.ts';
import { example, openContext, type SettingFlags, withSettings } from '../command-context.ts';
import { usageError } from '../exit-codes.ts';
import { table } from '../terminal.ts';

interface PrintFlags extends SettingFlags {
  readonly effective?: boolean;
  readonly json?: boolean;
}

export function addConfig(program: Command): void {
  const config = program.command('config').description('show and explain settings');
  withSettings(config.command('print'))
    .description('every setting with its value and where that came from; secrets are masked')
    .option('--effective', 'the values a process started here would run with (the default)')
    .option('--json', 'as JSON')
    .addHelpText('after', example('meanstream config print --effective --set model.k=7'))
    .action(print);
  config
    .command('explain <key>')
    .description('what one setting does, and what changing it needs')
    .addHelpText('after', example('meanstream config explain model.k'))
    .action(explain);
  config
    .command('docs')
    .description('print docs/SETTINGS.md')
    .addHelpText('after', example('meanstream config docs > docs/SETTINGS.md'))
    .action(() => void process.stdout.write(settingsPage()));
  config
    .command('schema')
    .description('print the JSON Schema of the settings file')
    .addHelpText('after', example('meanstream config schema > docs/settings.schema.json'))
    .action(() => void process.stdout.write(`${JSON.stringify(settingsSchema(), null, 2)}\n`));
}

function print(flags: PrintFlags): void {
  const { loaded } = openContext({ command: 'config', flags });
  const effective = effectiveSettings(loaded);
  if (flags.json) {
    process.stdout.write(`${JSON.stringify(effective, null, 2)}\n`);
    return;
  }
  const rows = effective.map(({ key, value, origin }) => [key, String(value), origin]);
  process.stdout.write(`${table(['setting', 'value', 'from'], rows)}\n`);
}

function explain(key: string): void {
  if (!isSettingKey(key)) {
    const near = nearestName(key, settingKeys);
    throw usageError(
      `${key} is not a setting${near === undefined ? '' : `; did you mean ${near}?`}`,
    );
  }
  const { says, allowed, change, default: fallback } = settings[key];
  process.stdout.write(
    `${key}: ${says}\n  allowed: ${allowed}\n  default: ${String(fallback)}\n  a change needs: ${change}\n`,
  );
}
