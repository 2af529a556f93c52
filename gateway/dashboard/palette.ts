// Colours of clusters, told apart with any colour vision (after Okabe and Ito, 2008, tuned for each ground). A cluster
// keeps its colour while it lives. With more clusters than colours, colours repeat; ids stand beside them.

const onDark = [
  '#56b4e9',
  '#f0a30a',
  '#2fc18c',
  '#f2724b',
  '#e79ad0',
  '#f2e25c',
  '#6f8dff',
  '#9ad14b',
  '#c9a06a',
  '#b8bfcc',
];
const onLight = [
  '#0b78bd',
  '#c87800',
  '#008a63',
  '#cf4a1c',
  '#b24c93',
  '#8a7a00',
  '#3f55d6',
  '#4e8a12',
  '#8a5f2b',
  '#5b6575',
];

/** Slots of clusters on the page, by id. */
const slots = new Map<string, number>();

/**
 * Gives every cluster shown a slot of the palette. It keeps it while it is there; a new one gets the slot its number
 * asks for, so that pages agree, or the next that nobody has.
 */
export function allotColours(clusterIds: readonly string[]): void {
  const shown = new Set(clusterIds);
  for (const clusterId of slots.keys()) if (!shown.has(clusterId)) slots.delete(clusterId);
  const taken = new Set(slots.values());
  for (const clusterId of [...clusterIds].sort(byNumber)) {
    if (slots.has(clusterId)) continue;
    const slot = freeSlot(numberOf(clusterId) % onDark.length, taken);
    slots.set(clusterId, slot);
    taken.add(slot);
  }
}

export function colourOf(clusterId: string, isDark: boolean): string {
  const slot = slots.get(clusterId);
  if (slot === undefined) return isDark ? '#8a93a3' : '#7b8494';
  return (isDark ? onDark : onLight)[slot]!;
}

/** The wanted slot or the next free one; when none is free, the wanted one is shared. */
function freeSlot(wanted: number, taken: ReadonlySet<number>): number {
  for (let step = 0; step < onDark.length; step += 1) {
    const slot = (wanted + step) % onDark.length;
    if (!taken.has(slot)) return slot;
  }
  return wanted;
}

function byNumber(a: string, b: string): number {
  return numberOf(a) - numberOf(b);
}

/** "c1" is 0. */
function numberOf(clusterId: string): number {
  return Math.max(0, Number(/\d+/.exec(clusterId)?.[0] ?? 1) - 1);
}
