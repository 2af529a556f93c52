// What this process has on its disk of tasks that it does not run: the group gives a task rather to where its state is.

import type { AssignedTask } from '../broker/index.ts';
import { changelogDeleteRetentionMs } from '../schemas/index.ts';
import { checkpointOf, type EngineKind, strangerFault } from '../state-stores/index.ts';
import type { Clock, Logger } from '../support/index.ts';
import { taskIdOf } from './task.ts';
import type { TaskPlan } from './task-plan.ts';

export interface HeldStoresOptions {
  readonly applicationId: string;
  readonly storeEngine: EngineKind;
  readonly dirOf: (taskId: string, store: string) => string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class HeldStores {
  readonly #options: HeldStoresOptions;
  readonly #offsets = new Map<string, { readonly task: AssignedTask; readonly offset: number }>();

  constructor(options: HeldStoresOptions) {
    this.#options = options;
  }

  /** Looks at the folders that are there. */
  async scan(plans: readonly TaskPlan[]): Promise<void> {
    for (const plan of plans) {
      for (let partition = 0; partition < plan.partitions; partition++) {
        const offset = await this.#offsetOf(plan, taskIdOf(plan, partition));
        const task = { group: plan.subTopology.id, partition };
        if (offset !== undefined) this.#offsets.set(taskIdOf(plan, partition), { task, offset });
      }
    }
  }

  /** What a task or a replica has left behind. */
  note(taskId: string, task: AssignedTask, offset: number): void {
    if (this.#options.storeEngine === 'memory') return;
    this.#offsets.set(taskId, { task, offset });
  }

  entries(): readonly (readonly [
    string,
    { readonly task: AssignedTask; readonly offset: number },
  ])[] {
    return [...this.#offsets];
  }

  /** The sum over the stores; undefined without state, and when one of them is missing or of no use. */
  async #offsetOf({ subTopology }: TaskPlan, taskId: string): Promise<number | undefined> {
    const { applicationId, storeEngine, dirOf, clock, logger } = this.#options;
    let sum: number | undefined;
    for (const { name, schemaVersion } of subTopology.stores) {
      const options = { name, dir: dirOf(taskId, name), logger };
      const checkpoint = await checkpointOf(storeEngine, options);
      if (checkpoint === undefined) return undefined;
      const wanted = { applicationId, taskId, storeName: name, schemaVersion };
      const isOld = clock.nowMs() - checkpoint.writtenAtMs > changelogDeleteRetentionMs;
      if (isOld || strangerFault(checkpoint, wanted) !== undefined) return undefined;
      sum = (sum ?? 0) + checkpoint.changelogOffset;
    }
    return sum;
  }
}
