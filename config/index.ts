// Settings: one table (settings.ts, read it first), a loader with origins, and the pages made from the table.
// The only place that reads the process environment. Knows nothing of what the settings are for.

export { type ChallengerSetting, challengerOf } from './challengers.ts';
export { crashPointOfEnvironment } from './crash-point.ts';
export { type EffectiveSetting, effectiveSettings } from './effective-settings.ts';
export { type HalfLifeSetting, halfLifeOf } from './half-life.ts';
export { environmentWithoutKafka, kafkaBrokersOfEnvironment } from './kafka-brokers.ts';
export { defaultSettingsFile, type LoadOptions, loadSettings } from './load-settings.ts';
export type { GivenValue, LoadedSettings, Origin, SettingFault } from './loaded-settings.ts';
export { nearestName } from './nearest-name.ts';
export type { ChangeEffect, Setting } from './setting-types.ts';
export {
  environmentName,
  isSettingKey,
  type SettingKey,
  type SettingValues,
  settingKeys,
  settings,
} from './settings.ts';
export { settingsPage, settingsSchema } from './settings-page.ts';
