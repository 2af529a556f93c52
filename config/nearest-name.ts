// "Did you mean …": the known name nearest to one that is not known, by edit distance.

/** The likeliest name meant, or undefined when none is near. A missing prefix ("k" for "model.k") counts as near. */
export function nearestName(unknown: string, names: readonly string[]): string | undefined {
  const suffix = names.find((name) => name.endsWith(`.${unknown}`));
  if (suffix !== undefined) return suffix;
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(unknown.length * 0.4)) + 1;
  for (const name of names) {
    const distance = editDistance(unknown, name);
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein's distance: insertions, deletions and replacements, one row at a time. */
export function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const replaced = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
