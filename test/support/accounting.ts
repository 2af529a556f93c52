// In = out + dead letters, each exactly once, in order: counted from the topics themselves.
import type { Assignment } from '../../schemas/index.ts';
import type { DumpedRecord } from './dump-topic.ts';

export interface Account {
  readonly points: number;
  readonly assignments: number;
  readonly deadLetters: number;
  /** Source records that came out nowhere, or more than once; and assignments out of source order. */
  readonly lost: string[];
  readonly repeated: string[];
  readonly outOfOrder: string[];
}

const text = new TextDecoder();

export function accountFor(
  points: readonly DumpedRecord[],
  assignments: readonly DumpedRecord[],
  deadLetters: readonly DumpedRecord[],
): Account {
  const seen = new Map<string, number>();
  const repeated: string[] = [];
  const outOfOrder: string[] = [];
  const count = (source: string) => {
    const times = (seen.get(source) ?? 0) + 1;
    seen.set(source, times);
    if (times > 1) repeated.push(source);
  };
  const newest = new Map<number, number>();
  for (const record of assignments) {
    const { partition, offset } = JSON.parse(text.decode(record.value!)) as Assignment;
    count(`${partition}-${offset}`);
    if (offset <= (newest.get(partition) ?? -1)) outOfOrder.push(`${partition}-${offset}`);
    newest.set(partition, offset);
  }
  for (const record of deadLetters) count(sourceOf(record));
  const lost = points
    .map(({ partition, offset }) => `${partition}-${offset}`)
    .filter((source) => !seen.has(source));
  return {
    points: points.length,
    assignments: assignments.length,
    deadLetters: deadLetters.length,
    lost,
    repeated,
    outOfOrder,
  };
}

function sourceOf({ headers }: DumpedRecord): string {
  const header = (name: string) => {
    const found = headers.find(({ key }) => key === `__streams.errors.${name}`);
    return text.decode(found!.value!);
  };
  return `${header('partition')}-${header('offset')}`;
}
