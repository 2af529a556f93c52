// What every subcommand starts with: checked settings, a logger, the clock.

import { join } from 'node:path';
import type { Command } from 'commander';
import {
  crashPointOfEnvironment,
  type GivenValue,
  type LoadedSettings,
  loadSettings,
  type SettingKey,
  type SettingValues,
} from '../config/index.ts';
import { armCrashPoint, type Clock, type Logger, systemClock } from '../support/index.ts';
import { openLogger } from './logging.ts';

/** Where `dev` and `gateway` listen unless told otherwise. */
export const defaultGatewayUrl = 'http://127.0.0.1:8080';

export interface SettingFlags {
  readonly config?: string;
  readonly set?: readonly string[];
  /** Of `dev`, where a command has such a flag: state and artifacts are in it too, unless a setting says otherwise. */
  readonly dataDir?: string;
}

export interface CommandContext {
  readonly command: string;
  readonly loaded: LoadedSettings;
  readonly settings: SettingValues;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** For commands that end by themselves: their answer is their output, so only what is wrong is logged. */
export const quiet: Partial<SettingValues> = { 'log.level': 'warn' };

interface ContextOptions {
  readonly command: string;
  readonly flags: SettingFlags;
  /** Flags with a name of their own that are settings too, such as --port. */
  readonly named?: Partial<Record<SettingKey, { flag: string; raw: unknown }>>;
  readonly defaults?: Partial<SettingValues>;
}

/** Adds --config and --set. */
export function withSettings(command: Command): Command {
  return command
    .option('--config <file>', 'settings file (YAML; default: meanstream.yaml when there is one)')
    .option('--set <key=value>', 'one setting; may be given again', collect);
}

function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}

/** @throws InvalidSettingError naming every wrong setting. */
export function openContext({ command, flags, named, defaults }: ContextOptions): CommandContext {
  const given: GivenValue[] = Object.entries(named ?? {})
    .filter(([, value]) => value.raw !== undefined)
    .map(([key, { flag, raw }]) => ({ key, raw, origin: `flag ${flag}` }));
  const values = { ...(flags.dataDir !== undefined && foldersIn(flags.dataDir)), ...defaults };
  const loaded = loadSettings({
    file: flags.config,
    flags: flags.set ?? [],
    named: given,
    commandDefaults: { command, values },
  });
  armCrashPoint(crashPointOfEnvironment());
  const level = loaded.values['log.level'];
  const clock = systemClock;
  const logger = openLogger({ level, service: `meanstream-${command}`, clock });
  return { command, loaded, settings: loaded.values, clock, logger };
}

/** What lies beside the log of `dev`. */
function foldersIn(dataDir: string): Partial<SettingValues> {
  return {
    'state.dir': join(dataDir, 'state'),
    'artifacts.location': join(dataDir, 'artifacts'),
    'retrain.dir': join(dataDir, 'retrain'),
  };
}

/** One example, shown in the command's help. */
export function example(...lines: string[]): string {
  return `\nExample:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;
}
