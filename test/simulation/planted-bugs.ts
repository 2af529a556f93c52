// biome-ignore-all lint/suspicious/noTemplateCurlyInString: source text is replaced here, placeholders and all.
// Mistakes that somebody could make, one or two lines each. A suite that cannot see them proves nothing.

import type { Edit } from './planted-tree.ts';

export interface PlantedBug {
  readonly name: string;
  readonly file: string;
  readonly edits: readonly Edit[];
  /** A history that showed it; others do too. */
  readonly seed: number;
}

const commit = 'runtime/commit.ts';
const task = 'runtime/task.ts';
const changelog = 'state-stores/changelog.ts';
const stores = 'runtime/task-stores.ts';
const writer = 'broker/kafka/kafka-transactional-writer.ts';

const bug = (name: string, file: string, seed: number, ...pairs: [string, string][]) => ({
  ...{ name, file, seed },
  edits: pairs.map(([find, replace]) => ({ find, replace })),
});

export const plantedBugs: readonly PlantedBug[] = [
  bug('no new producer epoch at a take-over', task, 1, [
    'await broker.openTransactionalWriter(transactionalId, processingGuarantee)',
    'await (((broker as { kept?: Record<string, unknown> }).kept ??= {})[this.id] ??= broker.openTransactionalWriter(transactionalId))',
  ]),
  bug(
    'the offsets are read before the older owner is fenced',
    task,
    2119,
    [
      '    this.#writer = await broker.openTransactionalWriter',
      '    const committed = await broker.committedOffsets(applicationId, sources.map(({ topic }) => ({ topic, partition: this.#partition })));\n    this.#writer = await broker.openTransactionalWriter',
    ],
    ['    const committed = await broker.committedOffsets(applicationId, inputs);\n', ''],
  ),
  bug('the store is written before the commit is confirmed', changelog, 1, [
    '    this.#sealed = { writes: this.#overlay, progress };',
    '    this.#sealed = { writes: this.#overlay, progress };\n    void this.#engine.write([...this.#overlay].map(([key, value]) => ({ key: keyBytes(key), value }))).catch(() => {});',
  ]),
  bug('a commit without an answer counts as done', task, 1, [
    '      streamTimeMs: this.#streamTimeMs,\n    });\n    this.#outputs.clear();',
    "      streamTimeMs: this.#streamTimeMs,\n    }).catch((error) => { if (error.code !== 'MEANSTREAM_COMMIT_OUTCOME_UNKNOWN') throw error; return sources.all.map((source) => ({ ...source, offset: source.position, metadata: '' })); });\n    this.#outputs.clear();",
  ]),
  bug('a commit without an answer counts as not done, and is made again', commit, 8, [
    'await writer.commit({ appends, group: applicationId, offsets });',
    "await writer.commit({ appends, group: applicationId, offsets }).catch(async (error) => { if (error.code !== 'MEANSTREAM_COMMIT_OUTCOME_UNKNOWN') throw error; return (await environment.broker.openTransactionalWriter(writer.transactionalId)).commit({ appends, group: applicationId, offsets }); });",
  ]),
  bug('a newer model is taken in the middle of a transaction', 'processors/assign-points.ts', 1, [
    'if (this.#inTransaction) return this.#work;',
    '',
  ]),
  bug('the committed offset is one too far', commit, 1, [
    'offset: position,',
    'offset: position + 1,',
  ]),
  bug('the committed offset is one too early', commit, 1, [
    'offset: position,',
    'offset: Math.max(0, position - 1),',
  ]),
  bug('dead letters are written outside the transaction', commit, 1, [
    'const appends = [...changelogs, ...outputs.appends()];',
    "const appends = [...changelogs, ...outputs.appends().filter((it) => it.topic !== 'dead-letters')];\n  await (await environment.broker.openWriter()).append(outputs.appends().filter((it) => it.topic === 'dead-letters'));",
  ]),
  bug('a store that missed tombstones is kept', changelog, 2, [
    'ageMs > bounds.ageMsMax',
    'ageMs > Number.POSITIVE_INFINITY',
  ]),
  bug("another task's store is kept", changelog, 55, [
    'if (owner !== `${applicationId} ${taskId} ${storeName}`) {',
    'if (owner === "") {',
  ]),
  bug(
    'the offset of a store is written before its data',
    changelog,
    1,
    ['await this.#engine.write(writes, {', 'await this.#engine.write([], {'],
    [
      '    });\n    this.#changelogOffset = changelogOffset;',
      '    });\n    await this.#engine.write(writes);\n    this.#changelogOffset = changelogOffset;',
    ],
  ),
  bug('the data of a store is written before its offset, with a gap between', changelog, 1, [
    '    await this.#engine.write(writes, {',
    '    await this.#engine.write(writes);\n    await this.#engine.write([], {',
  ]),
  bug('outputs of a commit stay for the next', task, 1, [
    '    this.#outputs.clear();\n    for',
    '    for',
  ]),
  bug('a batch is taken twice', 'runtime/task-sources.ts', 1, [
    '      source.outcome = undefined;\n      this.#turn = at + 1;',
    '      if (this.#turn % 7 === 0) source.outcome = undefined;\n      this.#turn += 1;',
  ]),
  bug('a restore leaves tombstones out', changelog, 2, [
    'if (!isProgressKey(key)) writes.push({ key, value });',
    'if (!isProgressKey(key) && value !== null) writes.push({ key, value });\n      else if (!isProgressKey(key)) continue;',
  ]),
  bug('a store that cannot be trusted is not emptied', changelog, 7, [
    '    await this.#engine.wipe();\n    this.#progress',
    '    this.#progress',
  ]),
  bug('the changelog does not say how far the input is taken in', changelog, 1, [
    '    this.#records.append(timestampMs, progressKey, encodeProgress(progress));\n',
    '    if (this.#changelogOffset === 0) this.#records.append(timestampMs, progressKey, encodeProgress(progress));\n',
  ]),
  bug("a store's offset is the first of its records, not the one after the last", stores, 1, [
    'appended[i]!.baseOffset + appends[i]!.records.n',
    'appended[i]!.baseOffset + 1',
  ]),
  bug('a restore ends before the end of its changelog', 'runtime/restore.ts', 47, [
    'await readTo(end, recovery.restoreFrom',
    'await readTo(end - 3, recovery.restoreFrom',
  ]),
  bug('a task is begun before the one it follows is closed', 'runtime/stream-runtime.ts', 5, [
    'this.#runners.has(taskId) || this.#leaving.has(taskId)',
    'this.#runners.has(taskId)',
  ]),
  bug('what was begun for one transaction counts as begun for the next', writer, 1, [
    '    this.#begun = undefined;\n',
    '',
  ]),
  bug('a transaction is gone on with whose beginning has failed', writer, 1, [
    '    await told;',
    '    await told?.catch(() => {});',
  ]),
  bug('rows that the writer did not take ahead are forgotten', task, 3, [
    '    if (ahead === undefined) return;\n    this.#ahead = ahead;\n',
    '    if (this.#writer!.send === undefined) return;\n',
  ]),
  bug('rows sent ahead are in the commit once more', task, 3, [
    '    this.#ahead = ahead;\n    this.#outputs.clear();\n',
    '',
  ]),
  bug('a commit does not wait for what was sent ahead', writer, 3, [
    '      await this.#ahead.settled();\n',
    '',
  ]),
  bug('what could not be sent ahead is forgotten', 'broker/kafka/ahead-of-commit.ts', 3, [
    '      this.#failure = { error };\n',
    '      void error;\n',
  ]),
  bug(
    'a commit without an answer is asked for again, and may meet what was begun since',
    writer,
    1,
    [
      'if (!isRefusal(error, coordinatorMoved)) return false;',
      'if (!isRefusal(error, coordinatorMoved)) return !(error instanceof KafkaRefusal);',
    ],
  ),
];
