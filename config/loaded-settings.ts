// What the parts of the loader hand each other: given values, faults, and the checked result with origins.

import type { SettingKey, SettingValues } from './settings.ts';

/** "flag --set", "environment MEANSTREAM_MODEL_K", "file meanstream.yaml", "command dev", "default". */
export type Origin = string;

/** A value somebody gave, not yet checked. */
export interface GivenValue {
  readonly key: string;
  readonly raw: unknown;
  readonly origin: Origin;
}

/** What is wrong, for one key. */
export interface SettingFault {
  readonly key: string;
  /** As given; "***" when the key is secret. */
  readonly value: string;
  readonly origin: Origin;
  /** The end of a sentence: "must be a whole number from 1 to 10". */
  readonly problem: string;
}

export interface LoadedSettings {
  readonly values: SettingValues;
  readonly origins: Readonly<Record<SettingKey, Origin>>;
}
