// Adds up what tasks saw to windows of points and compares each with the generation's reference window
// (clustering/drift/). One report leaves for every closed window. The state is a function of the quality log.

import { DriftMonitor, type DriftOptions, type DriftState } from '../clustering/index.ts';
import {
  decodeQuality,
  encodeDrift,
  type QualitySummary,
  type RecordBatch,
  recordValue,
  topics,
} from '../schemas/index.ts';
import type { KeyValueStore } from '../state-stores/index.ts';
import { InvalidRecordError } from '../support/index.ts';
import type { Processor, ProcessorContext } from './processor.ts';

export type DetectDriftOptions = Partial<DriftOptions>;

const stateKey = new TextEncoder().encode('monitor');

export class DetectDrift implements Processor<RecordBatch> {
  readonly #options: DetectDriftOptions;
  #monitor!: DriftMonitor;
  #store!: KeyValueStore;
  #changed = false;

  constructor(options: DetectDriftOptions) {
    this.#options = options;
  }

  async open(context: ProcessorContext): Promise<void> {
    this.#store = context.store<KeyValueStore>('drift');
    const saved = await this.#store.get(stateKey);
    this.#monitor = new DriftMonitor(this.#options, saved && stateIn(saved));
  }

  process(batch: RecordBatch, context: ProcessorContext): void {
    for (let row = 0; row < batch.n; row += 1) {
      const summary = summaryIn(recordValue(batch, row), context);
      if (summary !== undefined) this.#add(summary, context);
    }
  }

  flush(): void {
    if (!this.#changed) return;
    this.#changed = false;
    const json = JSON.stringify(this.#monitor.state());
    this.#store.put(stateKey, new TextEncoder().encode(json));
  }

  #add(summary: QualitySummary, context: ProcessorContext): void {
    this.#changed = true;
    const report = this.#monitor.add(summary);
    if (report === undefined) return;
    const { metrics } = context;
    if (report.psi !== null) metrics.driftScore.set({ detector: 'psi' }, report.psi);
    metrics.driftScore.set({ detector: 'page-hinkley' }, report.pageHinkley);
    if (report.featureShift !== null) {
      metrics.driftScore.set({ detector: 'feature-shift' }, report.featureShift);
    }
    if (report.level === 'alarm') {
      for (const detector of report.detectors) metrics.driftEvents.inc({ detector });
    }
    const nowMs = context.currentSystemTimeMs();
    context.output(topics.drift).append(nowMs, null, encodeDrift(report));
  }
}

function stateIn(bytes: Uint8Array): DriftState {
  return JSON.parse(new TextDecoder().decode(bytes)) as DriftState;
}

/** Only our own tasks write here: a summary nobody can read is said, and the stream goes on. */
function summaryIn(
  value: Uint8Array | null,
  context: ProcessorContext,
): QualitySummary | undefined {
  try {
    return value === null ? undefined : decodeQuality(value);
  } catch (error) {
    if (!(error instanceof InvalidRecordError)) throw error;
    context.logger.error({ err: error }, 'a record of the quality topic cannot be read');
    return undefined;
  }
}
