// What the pipeline is given, and what its processors work with.

import type {
  DecodePointsOptions,
  DetectDriftOptions,
  FoldCentroidsOptions,
} from '../processors/index.ts';
import type { PointDecoderOptions, PointFormat } from '../schemas/index.ts';

export interface ClusteringOptions {
  readonly model: {
    readonly k: number;
    /** Default: the first valid point decides. */
    readonly dimensions?: number | undefined;
    /** Names in vector order; points may then be objects of named features. */
    readonly features?: readonly string[] | undefined;
    /** Default standard. */
    readonly scaling?: 'standard' | 'none' | undefined;
    readonly seed: number;
    /** Default 1000·k. */
    readonly halfLifePoints?: number | undefined;
  };
  readonly bootstrap: {
    readonly rows: number;
    readonly waitMs: number;
  };
  readonly points: {
    readonly format: PointFormat;
    readonly bytesMax: number;
    /** Default one hour. */
    readonly timestampSkewMsMax?: number | undefined;
  };
  readonly drift?: { readonly windowPoints?: number | undefined } | undefined;
  readonly codeVersion: string;
}

export interface CompiledClusteringOptions {
  readonly decode: DecodePointsOptions;
  readonly fold: FoldCentroidsOptions;
  readonly drift: DetectDriftOptions;
}

const timestampSkewMsDefault = 3_600_000;

export function compileClusteringOptions(given: ClusteringOptions): CompiledClusteringOptions {
  const { model, bootstrap, points, drift, codeVersion } = given;
  const features = model.features ?? [];
  const dimensions = model.dimensions ?? features.length;
  const decoder: PointDecoderOptions = {
    format: points.format,
    bytesMax: points.bytesMax,
    timestampSkewMsMax: points.timestampSkewMsMax ?? timestampSkewMsDefault,
  };
  return {
    decode: { decoder, dimensions, features },
    fold: {
      k: model.k,
      dimensions,
      scaling: model.scaling !== 'none',
      seed: model.seed,
      halfLifePoints: model.halfLifePoints ?? 1000 * model.k,
      bootstrapRows: bootstrap.rows,
      bootstrapWaitMs: bootstrap.waitMs,
      codeVersion,
    },
    drift: drift?.windowPoints === undefined ? {} : { windowPoints: drift.windowPoints },
  };
}
