// MEANSTREAM_MODEL_K=7 → model.k. A secret may also come from a file: MEANSTREAM_SASL_PASSWORD_FILE=/run/secrets/p.

import { readFileSync } from 'node:fs';
import type { GivenValue, SettingFault } from './loaded-settings.ts';
import { nearestName } from './nearest-name.ts';
import { environmentName, settingKeys, settings } from './settings.ts';

const prefix = 'MEANSTREAM_';

/** Variables that are not settings: the settings file, and those with which tests choose what to run. */
const reserved = /^MEANSTREAM_(CONFIG|TEST_.*)$/;

/** What Kubernetes sets in every pod for a service called meanstream-… : no setting, and nobody's mistake. */
const serviceLink = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)$/;

export function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  faults: SettingFault[],
): GivenValue[] {
  const keys = new Map(settingKeys.map((key) => [environmentName(key), key]));
  const given: GivenValue[] = [];
  for (const [name, raw] of Object.entries(environment)) {
    if (raw === undefined || !name.startsWith(prefix) || reserved.test(name)) continue;
    const origin = `environment ${name}`;
    const key = keys.get(name);
    const fileOf = name.endsWith('_FILE') ? keys.get(name.slice(0, -'_FILE'.length)) : undefined;
    if (key !== undefined) {
      given.push({ key, raw, origin });
    } else if (fileOf !== undefined && settings[fileOf].secret) {
      given.push(...readSecret(fileOf, raw, origin, faults));
    } else if (!serviceLink.test(name)) {
      const near = nearestName(name.slice(prefix.length), [...keys.values()].map(variablePart));
      const hint = near === undefined ? '' : `; did you mean ${prefix}${near}?`;
      faults.push({
        key: name,
        value: raw,
        origin: 'environment',
        problem: `is not a setting${hint}`,
      });
    }
  }
  return given;
}

function variablePart(key: string): string {
  return environmentName(key).slice(prefix.length);
}

function readSecret(
  key: string,
  path: string,
  origin: string,
  faults: SettingFault[],
): GivenValue[] {
  try {
    return [{ key, raw: readFileSync(path, 'utf8').replace(/\r?\n$/, ''), origin }];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    faults.push({
      key,
      value: path,
      origin,
      problem: `names a file that cannot be read: ${reason}`,
    });
    return [];
  }
}
