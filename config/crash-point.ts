// MEANSTREAM_TEST_CRASH_POINT=committed:3 kills this process at its third arrival at that place. For tests; no setting.

import {
  type CrashPoint,
  type CrashPointName,
  crashPointNames,
  InvalidSettingError,
} from '../support/index.ts';

const variable = 'MEANSTREAM_TEST_CRASH_POINT';

/** @throws InvalidSettingError when it names no such place. */
export function crashPointOfEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): CrashPoint | undefined {
  const text = environment[variable];
  if (text === undefined || text === '') return undefined;
  const [name = '', arrival = '1'] = text.split(':');
  if (!isName(name) || !/^[1-9]\d*$/.test(arrival)) {
    throw new InvalidSettingError(
      `${variable} is "${text}"; it must be one of ${crashPointNames.join(', ')}, then ":" and a number from 1.`,
    );
  }
  return { name, arrival: Number(arrival) };
}

function isName(name: string): name is CrashPointName {
  return crashPointNames.some((known) => known === name);
}
