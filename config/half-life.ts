// "20000 points", "50 batches" or "30 m" as a unit and a number of it.

export interface HalfLifeSetting {
  readonly unit: 'points' | 'batches' | 'ms';
  readonly value: number;
}

export const halfLifePattern = /^(auto|[1-9]\d{0,11} ?(points|batches|ms|s|m|h|d))$/;

export const halfLifeForms =
  'a whole number and its unit (points, batches, ms, s, m, h or d), such as 20000 points, 50 batches or 30 m';

/** A century: beyond it, landmarks of event time are no exact numbers any more. */
export const halfLifeMsMax = 36_500 * 86_400_000;

const millisecondsIn: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** @param text as the setting allows it @returns undefined for auto */
export function halfLifeOf(text: string): HalfLifeSetting | undefined {
  if (text === 'auto') return undefined;
  const unit = text.replace(/^\d+ ?/, '');
  const value = Number.parseInt(text, 10);
  if (unit === 'points' || unit === 'batches') return { unit, value };
  return { unit: 'ms', value: value * millisecondsIn[unit]! };
}
