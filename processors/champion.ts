// The model that is current, as its owner has it. With every commit its state goes into the store and what it has learned onto
// `models`; a generation that takes its place is published for good, and with it what became of each cluster. Every decision
// about it is a record of `models` too: in the log of one partition with the versions it is about.

import {
  type ClusterEvent,
  decisionKey,
  encodeClusterEvent,
  encodeModel,
  encodeModelDecision,
  type Model,
  type ModelAlias,
  type ModelCommand,
  type ModelDecision,
  modelKey,
  topics,
} from '../schemas/index.ts';
import { afterDecision } from './decided.ts';
import type { FoldState } from './fold-state.ts';
import { lineageEvents } from './lineage-events.ts';
import type { ProcessorContext } from './processor.ts';
import { modelOf } from './published-model.ts';

/** What is asked for: by a command, or by the owner itself. */
type Asked = Omit<ModelCommand, 'command'> & {
  readonly command: ModelDecision['action'];
};

interface Outcome {
  readonly alias: ModelAlias;
  readonly version: string | null;
  readonly previous: string | null;
  readonly refusal?: string;
}

export class Champion {
  readonly state: FoldState;
  readonly #codeVersion: string;
  /** State to be stored; a model to be published. */
  #changed = false;
  #publishDue = false;

  constructor(state: FoldState, codeVersion: string) {
    this.state = state;
    this.#codeVersion = codeVersion;
  }

  /** `centroid-deltas` is taken in up to this offset. */
  tookIn(deltaOffset: number): void {
    this.state.deltaOffset = deltaOffset;
    this.#changed = true;
    if (this.state.decided.pinnedBy === null) this.#publishDue = true;
  }

  /** The command at this offset has to wait; 0: none. */
  waitFor(commandOffset: number): void {
    this.#changed ||= this.state.waitingCommand !== commandOffset;
    this.state.waitingCommand = commandOffset;
  }

  /** Another generation takes its place. What is replaced is kept under its version: a rollback begins from it. */
  replace(takeUp: (state: FoldState) => void, context: ProcessorContext): void {
    const before = this.state.clusterIds;
    const outgoing = this.#published(context);
    if (outgoing !== undefined) publish(outgoing, outgoing.version, context);
    takeUp(this.state);
    this.#publishDue = true;
    const model = this.#published(context)!;
    publish(model, model.version, context);
    const timestampMs = context.currentSystemTimeMs();
    for (const event of lineageEvents(before, model.clusterIds, model.lineage)) {
      emit({ ...event, modelVersion: model.version, timestampMs }, context);
    }
  }

  decide(asked: Asked, outcome: Outcome, context: ProcessorContext): void {
    const { alias, version, previous, refusal = null } = outcome;
    const decision: ModelDecision = {
      number: this.state.decided.number + 1,
      action: asked.command,
      alias,
      outcome: refusal === null ? 'applied' : 'refused',
      refusal,
      asked: asked.version ?? null,
      version,
      previous,
      commandId: asked.id ?? null,
      requestedBy: asked.requestedBy,
      reason: asked.reason,
      requestedAtMs: asked.timestampMs,
      decidedAtMs: context.currentSystemTimeMs(),
      deltaOffset: this.state.deltaOffset,
      ...(asked.command === 'prune' && refusal === null && { pruned: asked.versions! }),
    };
    this.state.decided = afterDecision(this.state.decided, decision);
    this.#changed = true;
    const key = decisionKey(decision.number);
    const value = encodeModelDecision(decision);
    context.output(topics.models).append(decision.decidedAtMs, key, value);
  }

  flush(context: ProcessorContext): void {
    if (!this.#changed) return;
    this.#changed = false;
    this.state.save();
    if (!this.#publishDue) return;
    this.#publishDue = false;
    const model = this.#published(context);
    if (model !== undefined) publish(model, 'current', context);
  }

  #published(context: ProcessorContext): Model | undefined {
    if (this.state.online === undefined) return undefined;
    const model = modelOf(this.state, this.#codeVersion, context.currentSystemTimeMs());
    context.metrics.clustersActive.set(model.k);
    context.metrics.quantizationError.set(model.quality.meanSquaredDistance);
    return model;
  }
}

function publish(model: Model, name: string, context: ProcessorContext): void {
  const key = modelKey(name);
  context.output(topics.models).append(model.createdAtMs, key, encodeModel(model));
}

export function emit(event: ClusterEvent, context: ProcessorContext): void {
  const key = new TextEncoder().encode(event.clusterId);
  const nowMs = context.currentSystemTimeMs();
  context.output(topics.clusterEvents).append(nowMs, key, encodeClusterEvent(event));
}
