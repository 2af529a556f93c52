// Kafka's messages list partitions under their topics.

/** Items under their topics, both in the order they came. */
export function byTopic<T extends { readonly topic: string }>(
  items: readonly T[],
): [string, T[]][] {
  const topics = new Map<string, T[]>();
  for (const item of items) {
    const there = topics.get(item.topic);
    if (there === undefined) topics.set(item.topic, [item]);
    else there.push(item);
  }
  return [...topics];
}

export function nameOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}-${partition}`;
}
