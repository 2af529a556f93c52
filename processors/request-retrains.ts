// Puts the requests that schedule, points and drift make on `model-commands`. One task, and so one place that asks: what it has
// asked for, and the request itself, are one transaction, so a due time is asked for once whoever is killed when. Who runs the
// jobs (jobs/retrain-runner.ts) is another matter, and reads the requests there.

import {
  type DriftReport,
  decodeDrift,
  encodeRetrainCommand,
  generationOf,
  type RecordBatch,
  recordValue,
  topics,
} from '../schemas/index.ts';
import type { KeyValueStore, ModelRegistry } from '../state-stores/index.ts';
import { InvalidRecordError } from '../support/index.ts';
import type { Processor, ProcessorContext } from './processor.ts';
import {
  type RetrainRequest,
  type RetrainTriggerOptions,
  type RetrainTriggerState,
  RetrainTriggers,
} from './retrain-triggers.ts';

const utf8 = new TextEncoder();
const stateKey = utf8.encode('triggers');
const commandKey = utf8.encode('default');
const checkMs = 1_000;

export class RequestRetrains implements Processor<RecordBatch> {
  readonly #options: RetrainTriggerOptions;
  #triggers!: RetrainTriggers;
  #models!: ModelRegistry;
  #store!: KeyValueStore;
  #saved: RetrainTriggerState | undefined;

  constructor(options: RetrainTriggerOptions) {
    this.#options = options;
  }

  async open(context: ProcessorContext): Promise<void> {
    this.#models = context.store<ModelRegistry>('models');
    this.#store = context.store<KeyValueStore>('retrain-triggers');
    const bytes = await this.#store.get(stateKey);
    this.#saved = bytes && (JSON.parse(new TextDecoder().decode(bytes)) as RetrainTriggerState);
    this.#triggers = new RetrainTriggers(this.#options, this.#saved);
    context.schedule(checkMs, 'wall-clock', (nowMs) => {
      this.#send(this.#triggers.onTime(nowMs, this.#position()), nowMs, context);
    });
  }

  process(batch: RecordBatch, context: ProcessorContext): void {
    for (let row = 0; row < batch.n; row += 1) {
      const report = reportIn(recordValue(batch, row), context);
      if (report?.level !== 'alarm' || !this.#isAboutCurrent(report)) continue;
      const atMs = batch.timestamps[row]!;
      const request = this.#triggers.onAlarm(atMs, report.detectors, this.#position() ?? 0);
      this.#send(request, atMs, context);
    }
  }

  flush(): void {
    const { state } = this.#triggers;
    if (state === this.#saved) return;
    this.#saved = state;
    this.#store.put(stateKey, utf8.encode(JSON.stringify(state)));
  }

  /** An alarm about a generation that is gone has been answered, by whoever replaced it. */
  #isAboutCurrent({ modelVersion }: DriftReport): boolean {
    const current = this.#models.current();
    return current !== undefined && generationOf(current.version) === generationOf(modelVersion);
  }

  /** Records of `points` that the current model has read. */
  #position(): number | undefined {
    const current = this.#models.current();
    if (current === undefined) return undefined;
    return Object.values(current.offsets).reduce((sum, { to }) => sum + to, 0);
  }

  #send(request: RetrainRequest | undefined, atMs: number, context: ProcessorContext): void {
    if (request === undefined) return;
    const { trigger, reason } = request;
    const requestedBy = context.taskId;
    const command = {
      command: 'retrain',
      trigger,
      requestedBy,
      reason,
      timestampMs: atMs,
    } as const;
    const value = encodeRetrainCommand(command);
    context.output(topics.modelCommands).append(context.currentSystemTimeMs(), commandKey, value);
    context.metrics.retrainRequests.inc({ trigger });
    context.logger.info({ trigger }, `a retrain is asked for: ${reason}`);
  }
}

function reportIn(value: Uint8Array | null, context: ProcessorContext): DriftReport | undefined {
  try {
    return value === null ? undefined : decodeDrift(value);
  } catch (error) {
    if (!(error instanceof InvalidRecordError)) throw error;
    context.logger.error({ err: error }, 'a record of the drift topic cannot be read');
    return undefined;
  }
}
