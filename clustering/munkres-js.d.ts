declare module 'munkres-js' {
  /** Pairs [row, column] of the cheapest complete assignment of a square cost matrix. */
  export default function munkres(costs: number[][]): [number, number][];
}
