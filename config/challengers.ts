// "k=9", "half.life=5000 points" or both with a space between: parameters of a model that runs beside the one in use.

import { type HalfLifeSetting, halfLifeOf, halfLifePattern } from './half-life.ts';

export interface ChallengerSetting {
  readonly name: string;
  /** Undefined: as in the model in use. */
  readonly k: number | undefined;
  readonly halfLife: HalfLifeSetting | undefined;
}

export const challengersMax = 8;
const kMax = 16_384;

export const challengerForms = 'k=9, half.life=5000 points, or both with a space between';

/** @returns undefined when it is no such text */
export function challengerOf(text: string): ChallengerSetting | undefined {
  const found = /^(?:k=(\d+))? *(?:half\.life=(.+))?$/.exec(text.trim());
  const [, k, halfLife] = found ?? [];
  if (k === undefined && halfLife === undefined) return undefined;
  if (k !== undefined && !(Number(k) >= 1 && Number(k) <= kMax)) return undefined;
  const isHalfLife = halfLife === undefined || halfLifePattern.test(halfLife);
  if (!isHalfLife || halfLife === 'auto') return undefined;
  return {
    name: text.trim(),
    k: k === undefined ? undefined : Number(k),
    halfLife: halfLife === undefined ? undefined : halfLifeOf(halfLife),
  };
}
