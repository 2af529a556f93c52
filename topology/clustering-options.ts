// What the pipeline is given, and what its processors work with.

import type {
  AssignPointsOptions,
  Challenger,
  CompareChallengersOptions,
  DecodePointsOptions,
  DetectDriftOptions,
  FoldCentroidsOptions,
  JudgeShadowOptions,
  RetrainTriggerOptions,
} from '../processors/index.ts';
import {
  type HalfLife,
  type Metric,
  type MissingPolicy,
  type PointDecoderOptions,
  type PointFormat,
  pointDimsMax,
} from '../schemas/index.ts';
import { InvalidSettingError } from '../support/index.ts';

export interface ClusteringOptions {
  readonly model: {
    readonly k: number;
    /** Default: the first valid point decides. */
    readonly dimensions?: number | undefined;
    /** Names in vector order; points may then be objects of named features. */
    readonly features?: readonly string[] | undefined;
    /** Default euclidean. */
    readonly metric?: Metric | undefined;
    /** Default reject; partial is for euclidean alone. */
    readonly missing?: MissingPolicy | undefined;
    /** Default auto: standard for euclidean, none for cosine, which does not go with standard. */
    readonly scaling?: 'auto' | 'standard' | 'none' | undefined;
    readonly seed: number;
    /** Default 1000·k points. */
    readonly halfLife?: HalfLife | undefined;
    /** Default: points are assigned however old the model is. */
    readonly stalenessMsMax?: number | undefined;
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
  /** Models with other parameters to run beside the one in use, on every so many points; default none, and then there is no task for it. */
  readonly challengers?:
    | { readonly list: readonly Challenger[]; readonly sampleEvery: number }
    | undefined;
  /** When retrains are asked for; default never, and then there is no task for it. */
  readonly retrain?: RetrainTriggerOptions | undefined;
  /** How a version beside the champion is judged. Default: told only, over 20,000 points, 1 % wanted, every 16th offset. */
  readonly promotion?:
    | {
        readonly gate: boolean;
        readonly points: number;
        readonly margin: number;
        readonly sampleEvery: number;
      }
    | undefined;
  readonly codeVersion: string;
}

export interface CompiledClusteringOptions {
  readonly decode: DecodePointsOptions;
  readonly assign: AssignPointsOptions;
  readonly fold: FoldCentroidsOptions;
  readonly drift: DetectDriftOptions;
  readonly shadow: JudgeShadowOptions;
  /** Undefined when there are no challengers. */
  readonly challengers: CompareChallengersOptions | undefined;
  /** Undefined when nothing is to ask for retrains. */
  readonly retrain: RetrainTriggerOptions | undefined;
}

const promotionDefault = { gate: false, points: 20_000, margin: 0.01, sampleEvery: 16 };
const timestampSkewMsDefault = 3_600_000;

/** @throws InvalidSettingError naming all that is wrong. */
export function compileClusteringOptions(given: ClusteringOptions): CompiledClusteringOptions {
  const faults = faultsOf(given);
  if (faults.length > 0) {
    const text = `The pipeline cannot be made. ${faults.join(' ')}`;
    throw new InvalidSettingError(text, { faults });
  }
  const { model, bootstrap, points, drift, codeVersion } = given;
  const { promotion = promotionDefault } = given;
  const features = model.features ?? [];
  const { metric = 'euclidean', missing = 'reject' } = model;
  const dimensions = model.dimensions ?? features.length;
  const hasChallengers = (given.challengers?.list.length ?? 0) > 0;
  const decoder: PointDecoderOptions = {
    format: points.format,
    bytesMax: points.bytesMax,
    timestampSkewMsMax: points.timestampSkewMsMax ?? timestampSkewMsDefault,
  };
  return {
    decode: { decoder, dimensions, features, metric, missing },
    assign: {
      k: model.k,
      metric,
      missing,
      timestampSkewMsMax: decoder.timestampSkewMsMax,
      shadowEvery: promotion.sampleEvery,
      sampleEvery: hasChallengers ? given.challengers!.sampleEvery : undefined,
      stalenessMsMax: model.stalenessMsMax,
    },
    fold: {
      k: model.k,
      dimensions,
      scaling: metric !== 'cosine' && model.scaling !== 'none',
      metric,
      missing,
      seed: model.seed,
      halfLife: model.halfLife ?? { unit: 'points', value: 1000 * model.k },
      bootstrapRows: bootstrap.rows,
      bootstrapWaitMs: bootstrap.waitMs,
      codeVersion,
    },
    shadow: { gate: promotion.gate, pointsMin: promotion.points, margin: promotion.margin },
    drift: drift?.windowPoints === undefined ? {} : { windowPoints: drift.windowPoints },
    challengers: hasChallengers
      ? {
          challengers: given.challengers!.list,
          scaling: model.scaling !== 'none',
          seed: model.seed,
        }
      : undefined,
    retrain: Object.values(given.retrain ?? {}).some((option) => option !== undefined)
      ? given.retrain
      : undefined,
  };
}

function faultsOf({ model, bootstrap, points }: ClusteringOptions): string[] {
  const { k, dimensions, features = [], halfLife } = model;
  const faults: string[] = [];
  const check = (valid: boolean, fault: string) => valid || faults.push(fault);
  check(Number.isInteger(k) && k >= 1, `model.k is ${k}; it must be a whole number above 0.`);
  if (dimensions !== undefined) {
    const valid = Number.isInteger(dimensions) && dimensions >= 1 && dimensions <= pointDimsMax;
    check(valid, `model.dimensions is ${dimensions}; it must be in 1 … ${pointDimsMax}.`);
    const agree = features.length === 0 || features.length === dimensions;
    check(agree, `model.features has ${features.length} names for ${dimensions} dimensions.`);
  }
  check(features.length <= pointDimsMax, `model.features has more than ${pointDimsMax} names.`);
  if (model.metric === 'cosine') {
    const { scaling, missing } = model;
    check(
      scaling !== 'standard',
      'model.scaling is standard; with model.metric cosine it is none.',
    );
    check(
      missing !== 'partial',
      'model.missing is partial; model.metric cosine has no such distance.',
    );
  }
  check(new Set(features).size === features.length, 'model.features has a name twice.');
  if (halfLife !== undefined) {
    const { unit, value } = halfLife;
    check(value > 0, `model.half.life is ${value} ${unit}; it must be above 0.`);
    const whole = unit !== 'ms' || Number.isSafeInteger(value);
    check(whole, `model.half.life is ${value} ms; it must be a whole number of milliseconds.`);
  }
  check(bootstrap.rows >= 1, `bootstrap.rows is ${bootstrap.rows}; it must be at least 1.`);
  check(bootstrap.waitMs >= 0, `bootstrap.wait.ms is ${bootstrap.waitMs}; it must be at least 0.`);
  check(points.bytesMax >= 1, `points.bytes.max is ${points.bytesMax}; it must be at least 1.`);
  return faults;
}
