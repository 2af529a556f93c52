// What a process would run with, and why: `meanstream config print --effective`.

import type { LoadedSettings, Origin } from './loaded-settings.ts';
import type { ChangeEffect } from './setting-types.ts';
import { settingKeys, settings } from './settings.ts';

export interface EffectiveSetting {
  readonly key: string;
  /** Secrets are "***" when set. */
  readonly value: unknown;
  readonly origin: Origin;
  readonly change: ChangeEffect;
}

export function effectiveSettings({ values, origins }: LoadedSettings): EffectiveSetting[] {
  return settingKeys.map((key) => ({
    key,
    value: settings[key].secret && values[key] !== '' ? '***' : values[key],
    origin: origins[key],
    change: settings[key].change,
  }));
}
