// Points from moving Gaussian kernels that come and go, with the truth of what happened: after the RandomRBFGeneratorEvents of
// MOA (kernels in [0, 1]^d, radius 0.07, a step of 0.01 every 500 points, a tenth noise, an event every so many points).
//
// An event: one kernel is gone and another is elsewhere from one point to the next. The number of kernels stays.

import { Random } from '../../support/index.ts';

export interface KernelStreamOptions {
  readonly kernels: number;
  readonly dims: number;
  readonly seed: number;
  readonly eventEvery: number;
  /** Distance a kernel moves every 500 points. Default 0.01. */
  readonly step?: number;
  /** Share of points that are uniform. Default 0.1. */
  readonly noise?: number;
}

export interface KernelEvent {
  /** The points before it. */
  readonly at: number;
  /** Where what is gone was, and where the new one is. */
  readonly gone: readonly number[];
  readonly came: readonly number[];
}

const radius = 0.07;
const stepEvery = 500;
/** Kernels are made at least so far from each other. */
const apart = 0.35;

export class KernelStream {
  readonly events: KernelEvent[] = [];
  readonly #options: Required<KernelStreamOptions>;
  readonly #random: Random;
  readonly #centres: number[][] = [];
  readonly #headings: number[][] = [];
  #made = 0;

  constructor(options: KernelStreamOptions) {
    this.#options = { step: 0.01, noise: 0.1, ...options };
    this.#random = new Random(options.seed);
    for (let i = 0; i < options.kernels; i++) this.#place(i, this.#free(i));
  }

  get centres(): readonly (readonly number[])[] {
    return this.#centres;
  }

  next(): number[] {
    const { eventEvery, noise, dims } = this.#options;
    if (this.#made > 0 && this.#made % stepEvery === 0) this.#move();
    if (this.#made > 0 && this.#made % eventEvery === 0) this.#happen();
    this.#made += 1;
    if (this.#random.float() < noise)
      return Array.from({ length: dims }, () => this.#random.float());
    const centre = this.#centres[this.#random.below(this.#centres.length)]!;
    return centre.map((value) => value + (radius / 2) * this.#random.normal());
  }

  #happen(): void {
    const going = this.#random.below(this.#centres.length);
    const gone = this.#centres[going]!.slice();
    this.#place(going, this.#free(going));
    this.events.push({ at: this.#made, gone, came: this.#centres[going]!.slice() });
  }

  /** They turn back at the walls, and before they come close to each other. */
  #move(): void {
    const { step } = this.#options;
    for (const [i, centre] of this.#centres.entries()) {
      const heading = this.#headings[i]!;
      const next = centre.map((value, d) => value + step * heading[d]!);
      const free = this.#centres.every((other, j) => j === i || distance(other, next) >= apart);
      if (free && next.every((value) => value >= 0 && value <= 1)) this.#centres[i] = next;
      else this.#headings[i] = heading.map((value) => -value);
    }
  }

  #place(i: number, centre: number[]): void {
    const heading = centre.map(() => this.#random.normal());
    const length = Math.hypot(...heading);
    this.#centres[i] = centre;
    this.#headings[i] = heading.map((value) => value / length);
  }

  #free(i: number): number[] {
    const { dims } = this.#options;
    for (let tries = 0; tries < 1000; tries++) {
      const centre = Array.from({ length: dims }, () => this.#random.float());
      if (this.#centres.every((other, j) => j === i || distance(other, centre) >= apart)) {
        return centre;
      }
    }
    throw new RangeError('there is no room for so many kernels');
  }
}

export function distance(a: readonly number[], b: readonly number[]): number {
  return Math.hypot(...a.map((value, d) => value - b[d]!));
}
