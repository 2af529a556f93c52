// A row of the chaos table: one kind of fault, how often it is done, and what was found wrong.
import type { Random } from '../../support/index.ts';
import type { Field, Say } from './field.ts';

export interface Scale {
  /** As often as a change can afford, or as a night can. */
  readonly nightly: boolean;
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
