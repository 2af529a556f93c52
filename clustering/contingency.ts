// The contingency table of two labellings of the same points: what their agreement, and the kinship of their clusters, is
// counted from.

export interface ContingencyTable {
  readonly columns: number;
  /** rows × columns: points (or their weight) that are in row's cluster of the one labelling and in column's of the other. */
  readonly common: Float64Array;
  /** Points in all of each row's and each column's cluster. */
  readonly rowSizes: Float64Array;
  readonly columnSizes: Float64Array;
}

export function contingencyTable(
  one: Int32Array,
  other: Int32Array,
  rows: number,
  columns: number,
  weights?: Float32Array,
): ContingencyTable {
  const common = new Float64Array(rows * columns);
  const rowSizes = new Float64Array(rows);
  const columnSizes = new Float64Array(columns);
  for (let i = 0; i < one.length; i++) {
    const weight = weights === undefined ? 1 : weights[i]!;
    common[one[i]! * columns + other[i]!]! += weight;
    rowSizes[one[i]!]! += weight;
    columnSizes[other[i]!]! += weight;
  }
  return { columns, common, rowSizes, columnSizes };
}
