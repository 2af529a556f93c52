// The YAML file: nested keys, dotted keys, or both mixed. `model: {k: 7}` is `model.k: 7`; saying both is a fault.

import { parseDocument } from 'yaml';
import type { GivenValue, SettingFault } from './loaded-settings.ts';
import { isSettingKey } from './settings.ts';

export function readSettingsFile(
  content: string,
  path: string,
  faults: SettingFault[],
): GivenValue[] {
  const origin = `file ${path}`;
  const document = parseDocument(content);
  for (const error of document.errors) {
    const problem = `is not valid YAML: ${error.message.split('\n')[0]}`;
    faults.push({ key: 'settings file', value: path, origin, problem });
  }
  if (document.errors.length > 0) return [];
  const tree: unknown = document.toJS();
  if (tree === null || tree === undefined) return [];
  if (!isMapping(tree)) {
    const problem = 'must hold keys and values, such as "model.k: 7"';
    faults.push({ key: 'settings file', value: path, origin, problem });
    return [];
  }
  const given = flatten(tree, '', origin);
  const seen = new Set<string>();
  for (const { key, raw } of given) {
    const value = typeof raw === 'string' ? raw : JSON.stringify(raw);
    if (seen.has(key)) faults.push({ key, value, origin, problem: 'is given twice; keep one' });
    seen.add(key);
  }
  return given;
}

function flatten(tree: Record<string, unknown>, above: string, origin: string): GivenValue[] {
  return Object.entries(tree).flatMap(([name, raw]) => {
    const key = above === '' ? name : `${above}.${name}`;
    return isMapping(raw) && !isSettingKey(key) && Object.keys(raw).length > 0
      ? flatten(raw, key, origin)
      : [{ key, raw, origin }];
  });
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
