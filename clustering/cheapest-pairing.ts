// The assignment problem: rows paired with columns, each once, at the least cost in all.
//
// Shortest augmenting paths with potentials (R. Jonker and A. Volgenant, 1987; D. Crouse, 2016, which SciPy's
// linear_sum_assignment follows): one row after the other is added along the cheapest alternating path, and the potentials keep
// all reduced costs at zero or above. O(n³), and far below it where most rows find a column of their own at once.

/**
 * @param costs n × n, row by row, finite
 * @returns n: the column of each row
 */
export function cheapestPairing(costs: Float64Array, n: number): Int32Array {
  const columnOf = new Int32Array(n).fill(-1);
  const rowOf = new Int32Array(n).fill(-1);
  const rowPotential = new Float64Array(n);
  const columnPotential = new Float64Array(n);
  const distance = new Float64Array(n);
  const before = new Int32Array(n);
  const isDone = new Uint8Array(n);
  for (let start = 0; start < n; start++) {
    distance.fill(Infinity);
    isDone.fill(0);
    let row = start;
    let sink = -1;
    let reached = 0;
    while (sink < 0) {
      let nearest = -1;
      let least = Infinity;
      const offset = reached - rowPotential[row]!;
      for (let column = 0; column < n; column++) {
        if (isDone[column] === 1) continue;
        const through = costs[row * n + column]! - columnPotential[column]! + offset;
        if (through < distance[column]!) {
          distance[column] = through;
          before[column] = row;
        }
        if (distance[column]! < least) {
          least = distance[column]!;
          nearest = column;
        }
      }
      reached = least;
      isDone[nearest] = 1;
      if (rowOf[nearest]! < 0) sink = nearest;
      else row = rowOf[nearest]!;
    }
    rowPotential[start]! += reached;
    for (let column = 0; column < n; column++) {
      if (isDone[column] === 0 || column === sink) continue;
      const further = reached - distance[column]!;
      rowPotential[rowOf[column]!]! += further;
      columnPotential[column]! -= further;
    }
    for (let column = sink; ; ) {
      const from = before[column]!;
      const next = columnOf[from]!;
      rowOf[column] = from;
      columnOf[from] = column;
      if (from === start) break;
      column = next;
    }
  }
  return columnOf;
}
