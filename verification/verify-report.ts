// What a verification is given, and what it answers.

import type { Broker } from '../broker/index.ts';
import type { DecodePoints, Fit } from '../jobs/index.ts';
import type { SeedOptions } from '../processors/index.ts';
import type { ArtifactStore } from '../state-stores/index.ts';

export interface VerifyOptions {
  readonly broker: Broker;
  /** Stop once this version is compared; without one, verify all that the log holds. */
  readonly version?: string | undefined;
  /** As the processors decode; one for each partition. */
  readonly decoder: () => DecodePoints;
  /** What the first model was made with: the settings of the deployment. */
  readonly first: SeedOptions & { readonly dimensions: number };
  readonly fit?: Fit | undefined;
  /** Where versions and coresets are kept: they are read too, whole, and coresets are what some retrains began with. */
  readonly artifacts?: ArtifactStore | undefined;
  /** Whose newest coreset is read. */
  readonly application: string;
  readonly onProgress?: (progress: VerifyProgress) => void;
}

export interface VerifyProgress {
  readonly deltas: number;
  readonly of: number;
  readonly version: string | undefined;
}

export interface Finding {
  /** "version 1.0.4" or "the delta of partition 0, offsets 17 to 40, against 1.0.3" */
  readonly of: string;
  readonly where: string;
  readonly recorded: string;
  readonly recomputed: string;
  /** What to do; without one, roll back. */
  readonly remedy?: string;
}

export interface VerifyReport {
  /** At most 100; none when everything is equal. */
  readonly findings: readonly Finding[];
  /** Records of versions that were compared, epochs included, and how many versions they are of. */
  readonly recordsCompared: number;
  readonly versionsCompared: number;
  readonly birthsRecomputed: readonly string[];
  readonly deltasRecomputed: number;
  readonly pointsReplayed: number;
  readonly artifactsRead: number;
  /** Versions that the log has lost the points or deltas of, and why. */
  readonly notRecomputed: readonly { readonly version: string; readonly why: string }[];
}
