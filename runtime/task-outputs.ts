// What one task adds to its sinks in the open transaction. Each processor has its own builder for each of its sinks:
// so what one made can be taken back without touching what another made.

import type { Append } from '../broker/index.ts';
import { RecordBatchBuilder } from '../schemas/index.ts';
import { assert } from '../support/index.ts';
import type { TaskPlan } from './task-plan.ts';

interface Output {
  readonly processor: string;
  readonly topic: string;
  readonly partition: number;
  readonly records: RecordBatchBuilder;
  /** Where the batch in hand began. */
  markedRows: number;
  markedSize: number;
}

export class TaskOutputs {
  readonly #outputs = new Map<string, Map<string, Output>>();
  readonly #all: Output[] = [];

  constructor({ subTopology, sinkPartitions }: TaskPlan, partition: number) {
    for (const { name, topic, from } of subTopology.sinks) {
      const target = partition % sinkPartitions.get(name)!;
      for (const processor of from) this.#add(name, { processor, topic, partition: target });
    }
  }

  get rows(): number {
    return this.#all.reduce((rows, output) => rows + output.records.n, 0);
  }

  get bytes(): number {
    return this.#all.reduce((bytes, output) => bytes + output.records.size, 0);
  }

  to(sink: string, processor: string): RecordBatchBuilder {
    const output = this.#outputs.get(processor)?.get(sink);
    assert(output !== undefined, `Processor "${processor}" has no sink "${sink}" in the topology.`);
    return output.records;
  }

  /** Called before each batch. */
  mark(): void {
    for (const output of this.#all) {
      output.markedRows = output.records.n;
      output.markedSize = output.records.size;
    }
  }

  /** Forgets what every processor but one added since the mark. */
  takeBackExcept(processor: string): void {
    for (const output of this.#all) {
      if (output.processor === processor) continue;
      const { records, markedRows, markedSize } = output;
      for (let row = markedRows; row < records.n; row++) records.headers.delete(row);
      records.n = markedRows;
      records.size = markedSize;
    }
  }

  appends(): Append[] {
    return this.#all
      .filter((output) => output.records.n > 0)
      .map(({ topic, partition, records }) => ({ topic, partition, records }));
  }

  clear(): void {
    for (const output of this.#all) output.records.clear();
  }

  #add(sink: string, to: { processor: string; topic: string; partition: number }): void {
    const output = { ...to, records: new RecordBatchBuilder(), markedRows: 0, markedSize: 0 };
    const sinks = this.#outputs.get(to.processor) ?? new Map<string, Output>();
    this.#outputs.set(to.processor, sinks.set(sink, output));
    this.#all.push(output);
  }
}
