// Adds up what tasks saw of champion and shadow on the same points, says how the comparison stands, and, when enough points are
// in and the policy is `gate`, asks for the shadow's promotion or takes the alias away. The state is a function of the log.
//
//   better   when  mean squared distance of the shadow ≤ (1 − margin) · that of the champion, both in the shadow's space

import {
  comparisonKey,
  decodeShadowSummary,
  encodeModelCommand,
  encodeShadowComparison,
  type ModelCommand,
  type RecordBatch,
  recordValue,
  type ShadowComparison,
  type ShadowSummary,
} from '../schemas/index.ts';
import type { KeyValueStore } from '../state-stores/index.ts';
import { InvalidRecordError } from '../support/index.ts';
import type { Processor, ProcessorContext } from './processor.ts';

export interface JudgeShadowOptions {
  /** Whether the outcome is acted on, or only told. */
  readonly gate: boolean;
  /** Points to compare before it is judged. */
  readonly pointsMin: number;
  /** By which share the shadow must be better, 0…1. */
  readonly margin: number;
}

const stateKey = new TextEncoder().encode('shadow');

export class JudgeShadow implements Processor<RecordBatch> {
  readonly #options: JudgeShadowOptions;
  #store!: KeyValueStore;
  #comparison: ShadowComparison | undefined;
  #changed = false;

  constructor(options: JudgeShadowOptions) {
    this.#options = options;
  }

  async open(context: ProcessorContext): Promise<void> {
    this.#store = context.store<KeyValueStore>('drift');
    const saved = await this.#store.get(stateKey);
    if (saved === undefined) return;
    this.#comparison = JSON.parse(new TextDecoder().decode(saved)) as ShadowComparison;
  }

  process(batch: RecordBatch, context: ProcessorContext): void {
    for (let row = 0; row < batch.n; row += 1) {
      const summary = summaryIn(recordValue(batch, row), context);
      if (summary !== undefined) this.#add(summary, context);
    }
  }

  flush(context: ProcessorContext): void {
    const comparison = this.#comparison;
    if (!this.#changed || comparison === undefined) return;
    this.#changed = false;
    this.#store.put(stateKey, new TextEncoder().encode(JSON.stringify(comparison)));
    const key = comparisonKey(comparison.decision);
    const nowMs = context.currentSystemTimeMs();
    context.output('comparisons').append(nowMs, key, encodeShadowComparison(comparison));
    const { metrics } = context;
    metrics.shadowError.set({ alias: 'champion' }, comparison.championError);
    metrics.shadowError.set({ alias: 'shadow' }, comparison.shadowError);
  }

  #add(summary: ShadowSummary, context: ProcessorContext): void {
    const before = this.#comparison;
    if (before !== undefined && summary.decision < before.decision) return;
    const isSame = before?.decision === summary.decision;
    const after = added(isSame ? before : undefined, summary, this.#options);
    this.#comparison = after;
    this.#changed = true;
    if (after.state !== 'running' && (!isSame || before.state === 'running')) {
      this.#act(after, context);
    }
  }

  #act(comparison: ShadowComparison, context: ProcessorContext): void {
    context.logger.info({ ...comparison }, `the shadow is ${comparison.state}`);
    if (!this.#options.gate) return;
    const { state, decision, shadowVersion: version } = comparison;
    const timestampMs = context.currentSystemTimeMs();
    const about = { requestedBy: 'gate', reason: sentence(comparison), timestampMs };
    const command: ModelCommand =
      state === 'better'
        ? { command: 'promote', version, judged: decision, ...about }
        : { command: 'alias', alias: 'shadow', version: null, expected: decision, ...about };
    const key = new TextEncoder().encode('default');
    context.output('verdicts').append(timestampMs, key, encodeModelCommand(command));
  }
}

function added(
  before: ShadowComparison | undefined,
  summary: ShadowSummary,
  { pointsMin, margin }: JudgeShadowOptions,
): ShadowComparison {
  const points = (before?.points ?? 0) + summary.count;
  const weight = (before?.weight ?? 0) + summary.weight;
  const championInertia = (before?.championInertia ?? 0) + summary.championInertia;
  const shadowInertia = (before?.shadowInertia ?? 0) + summary.shadowInertia;
  const sameIds = (before?.sameIds ?? 0) + summary.sameIds;
  const isBetter = shadowInertia <= (1 - margin) * championInertia;
  const judged = isBetter ? 'better' : 'not-better';
  const state =
    before !== undefined && before.state !== 'running'
      ? before.state
      : points < pointsMin
        ? 'running'
        : judged;
  return {
    ...{ decision: summary.decision, shadowVersion: summary.shadowVersion },
    championVersion: summary.championVersion,
    ...{ points, pointsMin, margin, weight, championInertia, shadowInertia, sameIds },
    championError: weight > 0 ? championInertia / weight : 0,
    shadowError: weight > 0 ? shadowInertia / weight : 0,
    idStability: points > 0 ? sameIds / points : 1,
    state,
  };
}

function sentence({ championError, shadowError, points, margin, state }: ShadowComparison): string {
  const change = championError > 0 ? (shadowError / championError - 1) * 100 : 0;
  return `${state === 'better' ? 'better' : 'not better'}: mean squared distance ${change.toFixed(2)} % over ${points} points, ${(margin * 100).toFixed(2)} % wanted`;
}

/** Only our own tasks write here: a summary nobody can read is said, and the stream goes on. */
function summaryIn(value: Uint8Array | null, context: ProcessorContext): ShadowSummary | undefined {
  try {
    return value === null ? undefined : decodeShadowSummary(value);
  } catch (error) {
    if (!(error instanceof InvalidRecordError)) throw error;
    context.logger.error({ err: error }, 'a record of the shadow-quality topic cannot be read');
    return undefined;
  }
}
