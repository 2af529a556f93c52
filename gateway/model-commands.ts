// Commands about the model, as HTTP asks for them: written to the audit log, answered by the decision the owner publishes.

import { randomUUID } from 'node:crypto';
import { appendOnce, type Broker } from '../broker/index.ts';
import {
  commandAppend,
  encodeModelCommand,
  type ModelCommand,
  type ModelDecision,
} from '../schemas/index.ts';
import type { ModelRegistry } from '../state-stores/index.ts';
import type { Clock } from '../support/index.ts';

export interface ModelCommandsOptions {
  readonly broker: Broker;
  readonly registry: ModelRegistry;
  readonly clock: Clock;
  readonly waitMsMax: number;
}

export type AskedCommand = Omit<ModelCommand, 'id' | 'timestampMs'>;

export class ModelCommands {
  readonly #options: ModelCommandsOptions;

  constructor(options: ModelCommandsOptions) {
    this.#options = options;
  }

  /** @returns the decision; undefined when none came in time: the command stands, and is decided when a processor runs */
  async send(asked: AskedCommand): Promise<ModelDecision | undefined> {
    const { broker, registry, clock, waitMsMax } = this.#options;
    const command = { ...asked, id: randomUUID(), timestampMs: clock.nowMs() };
    const answer = () => registry.decisions().find(({ commandId }) => commandId === command.id);
    const waiting = new AbortController();
    const stop = registry.onChange(() => {
      if (answer() !== undefined) waiting.abort();
    });
    try {
      const value = encodeModelCommand(command);
      await appendOnce(broker, [commandAppend(value, command.timestampMs)]);
      if (answer() === undefined) await clock.sleep(waitMsMax, waiting.signal);
      return answer();
    } finally {
      stop();
    }
  }
}
