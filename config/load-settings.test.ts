import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { InvalidSettingError } from '../support/index.ts';
import {
  effectiveSettings,
  environmentName,
  halfLifeOf,
  type LoadOptions,
  loadSettings,
  type SettingFault,
  settingKeys,
  settings,
} from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'settings-'));

function written(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function load(options: LoadOptions) {
  return loadSettings({ environment: {}, file: written('empty.yaml', ''), ...options });
}

function faultsOf(options: LoadOptions): readonly SettingFault[] {
  try {
    load(options);
  } catch (error) {
    if (error instanceof InvalidSettingError) {
      return error.fields.faults as readonly SettingFault[];
    }
    throw error;
  }
  return [];
}

test('without anything said every key has its default, and says so', () => {
  const { values, origins } = load({});
  for (const key of settingKeys) {
    expect(values[key]).toEqual(settings[key].default);
    expect(origins[key]).toBe('default');
  }
});

test('a flag wins over the environment, the environment over the file, the file over the command', () => {
  const file = written('layers.yaml', 'model:\n  k: 3\n  seed: 3\nlog.level: warn\n');
  const { values, origins } = load({
    file,
    environment: { MEANSTREAM_MODEL_K: '4', MEANSTREAM_MODEL_SEED: '4' },
    flags: ['model.k=5'],
    commandDefaults: { command: 'dev', values: { 'log.level': 'debug', 'http.port': 1 } },
  });
  expect([values['model.k'], values['model.seed']]).toEqual([5, 4]);
  expect([values['log.level'], values['http.port']]).toEqual(['warn', 1]);
  expect(origins['model.k']).toBe('flag --set');
  expect(origins['model.seed']).toBe('environment MEANSTREAM_MODEL_SEED');
  expect(origins['log.level']).toBe(`file ${file}`);
  expect(origins['http.port']).toBe('command dev');
});

test('nested and dotted keys of the file mean the same', () => {
  const nested = load({
    file: written('nested.yaml', 'model: {k: 7, half: {life: 5 batches}}\nmodel.features: [a, b]'),
  });
  expect(nested.values['model.k']).toBe(7);
  expect(nested.values['model.half.life']).toBe('5 batches');
  expect(nested.values['model.features']).toEqual(['a', 'b']);
});

test('a half-life has a number and a unit', () => {
  const halfLife = (text: string) =>
    halfLifeOf(load({ flags: [`model.half.life=${text}`] }).values['model.half.life']);
  expect(halfLife('auto')).toBeUndefined();
  expect(halfLife('20000 points')).toEqual({ unit: 'points', value: 20_000 });
  expect(halfLife('50 batches')).toEqual({ unit: 'batches', value: 50 });
  expect(halfLife('30 m')).toEqual({ unit: 'ms', value: 1_800_000 });
  expect(halfLife('2d')).toEqual({ unit: 'ms', value: 172_800_000 });
  for (const wrong of ['20000', '0 points', '-1 m', '1.5 h', '3 weeks', 'points', '40000 d']) {
    expect(() => halfLife(wrong), wrong).toThrow(/model\.half\.life = .*(30 m, or auto|36500 d)/);
  }
  expect(() => load({ flags: ['model.half.life.points=5'] })).toThrow(
    /did you mean model.half.life/,
  );
});

test('every key can be set by its environment variable', () => {
  for (const key of settingKeys) {
    const setting = settings[key];
    if (setting.secret) continue;
    const items = key === 'challengers.list' ? 'k=9,half.life=5000 points' : 'a,b';
    const text = Array.isArray(setting.default)
      ? items
      : String(key === 'ssl.ca.file' ? written('ca.pem', '') : setting.default);
    const given = key === 'sasl.username' ? '' : text;
    expect(load({ environment: { [environmentName(key)]: given } }).origins[key]).toMatch(
      /^environment MEANSTREAM_/,
    );
  }
});

test('all faults are reported at once, each with key, value, origin and what is allowed', () => {
  const file = written('faults.yaml', 'model.k: 0\nmodel:\n  kay: 1\n');
  const faults = faultsOf({
    file,
    environment: { MEANSTREAM_COMMIT_INTERVAL_MS: 'soon', MEANSTREAM_MODEL_SEEED: '1' },
    flags: ['log.level=loud', 'http.port'],
  });
  expect(faults.map(({ key }) => key)).toEqual([
    'MEANSTREAM_MODEL_SEEED',
    'http.port',
    'model.k',
    'model.kay',
    'commit.interval.ms',
    'log.level',
  ]);
  expect(faults[2]).toEqual({
    key: 'model.k',
    value: '0',
    origin: `file ${file}`,
    problem: 'must be a whole number from 1 to 16384',
  });
});

test('an unknown key is answered with the nearest name', () => {
  const problemOf = (flag: string) => faultsOf({ flags: [flag] })[0]?.problem;
  expect(problemOf('model.kk=3')).toContain('did you mean model.k?');
  expect(problemOf('k=3')).toContain('did you mean model.k?');
  expect(problemOf('commit.intervall.ms=3')).toContain('did you mean commit.interval.ms?');
  expect(problemOf('zzzzzzzzzzz=3')).toBe('is not a setting');
  const [fault] = faultsOf({ environment: { MEANSTREAM_MODEL_SED: '1' } });
  expect(fault?.problem).toContain('did you mean MEANSTREAM_MODEL_SEED?');
});

test('a value from YAML must have the type, not only look like it', () => {
  const file = written('types.yaml', 'model.k: 7.5\nmodel.features: 3\nlog.level: [info]\n');
  expect(faultsOf({ file }).map(({ key }) => key)).toEqual([
    'model.k',
    'model.features',
    'log.level',
  ]);
});

test('a key given twice in the file is a fault', () => {
  const file = written('twice.yaml', 'model: {k: 7}\nmodel.k: 8\n');
  expect(faultsOf({ file })[0]).toMatchObject({
    key: 'model.k',
    problem: 'is given twice; keep one',
  });
});

test('broken YAML and a missing file are settings faults too', () => {
  expect(faultsOf({ file: written('broken.yaml', 'model: [1') })[0]?.problem).toContain('YAML');
  expect(faultsOf({ file: join(folder, 'nowhere.yaml') })[0]?.problem).toBe('does not exist');
  const environment = { MEANSTREAM_CONFIG: join(folder, 'nowhere.yaml') };
  expect(faultsOf({ file: undefined, environment })[0]?.origin).toBe(
    'environment MEANSTREAM_CONFIG',
  );
});

test('variables that Kubernetes sets for services are not taken for settings', () => {
  const environment = {
    MEANSTREAM_GATEWAY_SERVICE_HOST: '10.0.0.1',
    MEANSTREAM_GATEWAY_SERVICE_PORT_HTTP: '8080',
    MEANSTREAM_GATEWAY_PORT: 'tcp://10.0.0.1:8080',
    MEANSTREAM_GATEWAY_PORT_8080_TCP_ADDR: '10.0.0.1',
  };
  expect(faultsOf({ environment })).toEqual([]);
});

test('a secret comes from its variable or a file, never from a flag, and is never shown', () => {
  const login = ['security.protocol=SASL_SSL', 'sasl.username=u'];
  const path = written('password', 'hunter2\n');
  const loaded = load({ flags: login, environment: { MEANSTREAM_SASL_PASSWORD_FILE: path } });
  expect(loaded.values['sasl.password']).toBe('hunter2');
  expect(JSON.stringify(effectiveSettings(loaded))).not.toContain('hunter2');
  const faults = faultsOf({ flags: [...login, 'sasl.password=hunter2'] });
  expect(faults[0]?.problem).toContain('secret');
  expect(JSON.stringify(faults)).not.toContain('hunter2');
});

test.each([
  ['commit.interval.ms', ['commit.interval.ms=5000', 'transaction.timeout.ms=5000']],
  ['model.dimensions', ['model.dimensions=3', 'model.features=a,b']],
  ['model.features', ['model.features=a,a']],
  ['bootstrap.rows', ['bootstrap.rows=7', 'model.k=8']],
  ['retrain.schedule', ['retrain.schedule=nightly']],
  ['challengers.list', ['challengers.list=k=9,half.life=auto']],
  ['challengers.list', ['challengers.list=k=9,k=9']],
  ['sasl.username', ['sasl.username=u']],
  ['ssl.ca.file', ['ssl.ca.file=/nowhere/ca.pem']],
])('%s is checked against the others', (key, flags) => {
  expect(faultsOf({ flags }).map((fault) => fault.key)).toEqual([key]);
});

test('no key is the beginning of another, so that YAML can nest them all', () => {
  for (const key of settingKeys) {
    expect(settingKeys.filter((other) => other.startsWith(`${key}.`))).toEqual([]);
  }
});

test('every default is allowed by its own row', () => {
  for (const key of settingKeys) {
    expect(settings[key].parse(settings[key].default)).toEqual(settings[key].default);
  }
});
