// A row of the chaos table: one kind of fault, how often it is done, and what was found wrong.
import type { Random } from '../../support/index.ts';
import type { Field, Say } from './field.ts';

export interface Scale {
  /** As often as a change can afford, or as a night can. */
  readonly nightly: boolean;
  /** A night may be run in parts, one at a time. */
  readonly part: Part;
}

/** Part `index` (from 0) `of` so many. */
export interface Part {
  readonly index: number;
  readonly of: number;
}

export const wholeNight: Part = { index: 0, of: 1 };

/** Which of the rounds of a change, or of this part of a night, are to be done: all parts together do each once. */
export function roundsOf({ nightly, part }: Scale, ofChange: number, ofNight: number): number[] {
  const [rounds, { index, of }] = nightly ? [ofNight, part] : [ofChange, wholeNight];
  const from = Math.floor((index * rounds) / of);
  const to = Math.floor(((index + 1) * rounds) / of);
  return Array.from({ length: to - from }, (_, at) => from + at);
}

/** What happened, by name: kills by point, unclear commits by outcome, and so on. */
export type Counts = Record<string, number>;

export interface FieldRow {
  readonly id: string;
  readonly fault: string;
  /** Does the faults to the processors of the field while points flow. @throws when it cannot be done or does not heal. */
  run(field: Field, scale: Scale): Promise<Counts>;
}

/** A row that brings its own machinery and judges itself. */
export interface OwnRow {
  readonly id: string;
  readonly fault: string;
  run(options: Scale & { readonly random: Random; readonly say: Say }): Promise<OwnOutcome>;
}

export interface OwnOutcome {
  readonly counts: Counts;
  readonly findings: readonly string[];
  /** Why the row could not be run here. */
  readonly skipped?: string;
}

export function count(counts: Counts, name: string, by = 1): void {
  counts[name] = (counts[name] ?? 0) + by;
}
