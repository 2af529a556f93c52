// The deltas that a task has sent and no model it has received has taken in: how old the oldest is says how stale its model is.
//
// A delta is answered by a model of its generation that has come to its end (learned or, when it does not fit, refused), by a
// model of another generation (then the owner leaves it out), and by a pin (then it is read and left out), whether or not the
// model learns again by now. Times are those of the task's clock when it was last looked at.

import { generationOf } from '../schemas/index.ts';
import type { ModelRegistry } from '../state-stores/index.ts';

interface SentDelta {
  readonly modelVersion: string;
  readonly partition: number;
  readonly nextOffset: number;
}

interface Unanswered {
  readonly generation: string;
  readonly partition: number;
  nextOffset: number;
  readonly sentAtMs: number;
  /** The newest pin that was known. */
  readonly pinNumber: number;
}

/** With more of them, the newest stands for those after it: then some count as older than they are. */
const keptMax = 4_096;

export class UnansweredDeltas {
  readonly #sent: Unanswered[] = [];
  #nowMs = -1;

  /** Moves the clock. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  sent({ modelVersion, partition, nextOffset }: SentDelta, models: ModelRegistry): void {
    if (models.pinned !== undefined) return;
    const generation = generationOf(modelVersion);
    const last = this.#sent.at(-1);
    if (this.#sent.length === keptMax && last!.generation === generation) {
      last!.nextOffset = nextOffset;
    } else
      this.#sent.push({
        ...{ generation, partition, nextOffset, sentAtMs: this.#nowMs },
        pinNumber: models.pinNumber,
      });
  }

  /** Of the oldest that no model answers; 0 when all are answered. */
  ageMs(models: ModelRegistry): number {
    while (this.#sent.length > 0 && isAnswered(this.#sent[0]!, models)) this.#sent.shift();
    const [oldest] = this.#sent;
    return oldest === undefined ? 0 : this.#nowMs - oldest.sentAtMs;
  }
}

function isAnswered(
  { generation, partition, nextOffset, pinNumber }: Unanswered,
  models: ModelRegistry,
): boolean {
  const model = models.current();
  if (model === undefined || models.pinNumber > pinNumber) return true;
  if (generationOf(model.version) !== generation) return true;
  return (model.offsets[partition]?.to ?? 0) >= nextOffset;
}
