// From flags, environment and file to a checked value for every key, with where it came from.
// Precedence: flag over environment over file over the command's default over the table's default.
// Every fault is found before any is reported: one InvalidSettingError names them all.

import { existsSync, readFileSync } from 'node:fs';
import { InvalidSettingError } from '../support/index.ts';
import { crossChecks } from './cross-checks.ts';
import type { GivenValue, LoadedSettings, Origin, SettingFault } from './loaded-settings.ts';
import { nearestName } from './nearest-name.ts';
import { readEnvironment } from './read-environment.ts';
import { readSettingsFile } from './read-file.ts';
import {
  isSettingKey,
  type SettingKey,
  type SettingValues,
  settingKeys,
  settings,
} from './settings.ts';

/** The file looked for in the working directory when none is named. */
export const defaultSettingsFile = 'meanstream.yaml';

export interface LoadOptions {
  /** Path of the YAML file; without one, meanstream.yaml when it exists. */
  readonly file?: string | undefined;
  /** `key=value`, in order; the last of a key wins. */
  readonly flags?: readonly string[];
  /** Flags with a name of their own, such as --port. */
  readonly named?: readonly GivenValue[];
  /** What a command changes in the defaults, and its name. */
  readonly commandDefaults?: { readonly command: string; readonly values: Partial<SettingValues> };
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** @throws InvalidSettingError with every fault, in `fields.faults` too. */
export function loadSettings(options: LoadOptions = {}): LoadedSettings {
  const faults: SettingFault[] = [];
  const { commandDefaults } = options;
  const layers: GivenValue[] = [
    ...Object.entries(commandDefaults?.values ?? {}).map(([key, raw]) => ({
      key,
      raw,
      origin: `command ${commandDefaults!.command}`,
    })),
    ...fromFile(options, faults),
    ...readEnvironment(options.environment ?? process.env, faults),
    ...(options.named ?? []),
    ...fromFlags(options.flags ?? [], faults),
  ];
  const loaded = check(layers, faults);
  if (faults.length === 0) faults.push(...crossChecks(loaded));
  if (faults.length > 0) throw invalid(faults);
  return loaded;
}

function fromFile(options: LoadOptions, faults: SettingFault[]): GivenValue[] {
  const environment = options.environment ?? process.env;
  const named = options.file ?? environment.MEANSTREAM_CONFIG;
  const path = named ?? defaultSettingsFile;
  if (!existsSync(path)) {
    if (named === undefined) return [];
    const origin = options.file === undefined ? 'environment MEANSTREAM_CONFIG' : 'flag --config';
    faults.push({ key: 'settings file', value: path, origin, problem: 'does not exist' });
    return [];
  }
  return readSettingsFile(readFileSync(path, 'utf8'), path, faults);
}

function fromFlags(flags: readonly string[], faults: SettingFault[]): GivenValue[] {
  const given: GivenValue[] = [];
  for (const flag of flags) {
    const split = flag.indexOf('=');
    const key = split < 0 ? flag : flag.slice(0, split);
    const origin = 'flag --set';
    if (split < 0) {
      faults.push({ key, value: '', origin, problem: 'needs a value: --set key=value' });
    } else if (isSettingKey(key) && settings[key].secret) {
      const problem = `is a secret and would show in the process list; use its environment variable or …_FILE`;
      faults.push({ key, value: '***', origin, problem });
    } else {
      given.push({ key, raw: flag.slice(split + 1), origin });
    }
  }
  return given;
}

function check(layers: readonly GivenValue[], faults: SettingFault[]): LoadedSettings {
  const values: Record<string, unknown> = {};
  const origins: Record<string, Origin> = {};
  for (const key of settingKeys) {
    values[key] = settings[key].default;
    origins[key] = 'default';
  }
  for (const { key, raw, origin } of layers) {
    if (!isSettingKey(key)) {
      const near = nearestName(key, settingKeys);
      const hint = near === undefined ? '' : `; did you mean ${near}?`;
      faults.push({ key, value: shown(raw), origin, problem: `is not a setting${hint}` });
      continue;
    }
    const setting = settings[key];
    const value = setting.parse(raw);
    if (value === undefined) {
      const given = setting.secret ? '***' : shown(raw);
      faults.push({ key, value: given, origin, problem: `must be ${setting.allowed}` });
    } else {
      values[key] = value;
      origins[key] = origin;
    }
  }
  return { values: values as SettingValues, origins: origins as Record<SettingKey, Origin> };
}

function shown(raw: unknown): string {
  return typeof raw === 'string' ? raw : JSON.stringify(raw);
}

function invalid(faults: readonly SettingFault[]): InvalidSettingError {
  const lines = faults.map(({ key, value, origin, problem }) => {
    const given = value === '' ? key : `${key} = ${value}`;
    return `  ${given} (${origin}): ${problem}`;
  });
  const count = faults.length === 1 ? '1 setting is wrong' : `${faults.length} settings are wrong`;
  return new InvalidSettingError(`${count}:\n${lines.join('\n')}`, { faults });
}
