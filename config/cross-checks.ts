// What must hold between settings. Each rule names the setting to change first.

import { existsSync } from 'node:fs';
import { scheduleFault } from '../support/index.ts';
import { challengerForms, challengerOf, challengersMax } from './challengers.ts';
import { halfLifeMsMax, halfLifeOf } from './half-life.ts';
import type { LoadedSettings, SettingFault } from './loaded-settings.ts';
import { type SettingKey, type SettingValues, settings } from './settings.ts';

interface Rule {
  readonly key: SettingKey;
  readonly broken: (values: SettingValues) => boolean;
  readonly problem: (values: SettingValues) => string;
}

const rules: readonly Rule[] = [
  {
    // A commit that is due later than the timeout would find its transaction aborted.
    key: 'commit.interval.ms',
    broken: (values) => values['commit.interval.ms'] >= values['transaction.timeout.ms'],
    problem: (values) =>
      `must be less than transaction.timeout.ms (${values['transaction.timeout.ms']})`,
  },
  {
    key: 'model.dimensions',
    broken: (values) =>
      values['model.dimensions'] > 0 &&
      values['model.features'].length > 0 &&
      values['model.dimensions'] !== values['model.features'].length,
    problem: (values) =>
      `must be the number of model.features (${values['model.features'].length}), or 0`,
  },
  {
    key: 'model.features',
    broken: (values) => new Set(values['model.features']).size < values['model.features'].length,
    problem: () => 'must name each feature once',
  },
  {
    // Dividing each feature by its own deviation turns every direction into another.
    key: 'model.scaling',
    broken: (values) => isCosine(values) && values['model.scaling'] === 'standard',
    problem: () => 'must be none (or auto) when model.metric is cosine: scaling changes directions',
  },
  {
    key: 'model.missing',
    broken: (values) => isCosine(values) && values['model.missing'] === 'partial',
    problem: () =>
      'must be reject or mean when model.metric is cosine: a direction needs every value',
  },
  {
    key: 'bootstrap.rows',
    broken: (values) => values['bootstrap.rows'] < values['model.k'],
    problem: (values) => `must be at least model.k (${values['model.k']})`,
  },
  {
    key: 'model.half.life',
    broken: (values) => {
      const halfLife = halfLifeOf(values['model.half.life']);
      return halfLife?.unit === 'ms' && halfLife.value > halfLifeMsMax;
    },
    problem: () => 'must be at most 36500 d',
  },
  {
    key: 'challengers.list',
    broken: (values) => values['challengers.list'].some((text) => challengerOf(text) === undefined),
    problem: (values) => {
      const wrong = values['challengers.list'].find((text) => challengerOf(text) === undefined);
      return `has "${wrong}"; each must be ${challengerForms}`;
    },
  },
  {
    key: 'challengers.list',
    broken: ({ 'challengers.list': given }) =>
      given.length > challengersMax || new Set(given).size < given.length,
    problem: () => `must be at most ${challengersMax}, each once`,
  },
  {
    key: 'retrain.schedule',
    broken: (values) => scheduleFaultIn(values) !== undefined,
    problem: (values) => `must be a cron expression or never: ${scheduleFaultIn(values)}`,
  },
  {
    key: 'sasl.username',
    broken: (values) => isSasl(values) && values['sasl.username'] === '',
    problem: (values) => `must be set when security.protocol is ${values['security.protocol']}`,
  },
  {
    key: 'sasl.password',
    broken: (values) => isSasl(values) && values['sasl.password'] === '',
    problem: (values) =>
      `must be set (by MEANSTREAM_SASL_PASSWORD_FILE, say) when security.protocol is ${values['security.protocol']}`,
  },
  {
    key: 'sasl.username',
    broken: (values) => !isSasl(values) && values['sasl.username'] !== '',
    problem: (values) =>
      `has no effect with security.protocol ${values['security.protocol']}; set that to SASL_SSL or SASL_PLAINTEXT`,
  },
  {
    key: 'ssl.ca.file',
    broken: (values) => values['ssl.ca.file'] !== '' && !existsSync(values['ssl.ca.file']),
    problem: () => 'names a file that does not exist',
  },
];

export function crossChecks({ values, origins }: LoadedSettings): SettingFault[] {
  return rules
    .filter((rule) => rule.broken(values))
    .map((rule) => ({
      key: rule.key,
      value: settings[rule.key].secret ? '***' : String(values[rule.key]),
      origin: origins[rule.key],
      problem: rule.problem(values),
    }));
}

function scheduleFaultIn(values: SettingValues): string | undefined {
  const schedule = values['retrain.schedule'];
  return schedule === 'never' ? undefined : scheduleFault(schedule);
}

function isCosine(values: SettingValues): boolean {
  return values['model.metric'] === 'cosine';
}

function isSasl(values: SettingValues): boolean {
  return values['security.protocol'].startsWith('SASL');
}
