// What a subscriber of live assignments asks for: ?cluster=c1&cluster=c2&key=a&sample=0.1. Filters of one name are
// alternatives, different names must all hold. A sample is the same for everybody: it is drawn from partition and offset.

import type { Assignment } from '../../schemas/index.ts';
import type { GatewayLimits } from '../limits.ts';
import { ProblemError } from '../problem.ts';

export interface Subscription {
  /** Undefined: any. */
  readonly clusters: ReadonlySet<string> | undefined;
  readonly keys: ReadonlySet<string> | undefined;
  /** Share of the assignments wanted, above 0 up to 1. */
  readonly sample: number;
}

/** @throws ProblemError naming the parameter. */
export function subscriptionOf(query: URLSearchParams, limits: GatewayLimits): Subscription {
  const sampleText = query.get('sample');
  const sample = sampleText === null ? 1 : Number(sampleText);
  if (!(sample > 0 && sample <= 1)) {
    throw new ProblemError(
      'invalid-request',
      `sample is ${sampleText}; give a share above 0 and at most 1.`,
      { fields: { parameter: 'sample' } },
    );
  }
  const values = (name: string) => {
    const given = query.getAll(name).flatMap((text) => (name === 'key' ? [text] : text.split(',')));
    if (given.length > limits.filterValuesMax) {
      throw new ProblemError(
        'invalid-request',
        `${name} is given ${given.length} times; ${limits.filterValuesMax} is the most.`,
        { fields: { parameter: name } },
      );
    }
    return given.length === 0 ? undefined : new Set(given);
  };
  return { clusters: values('cluster'), keys: values('key'), sample };
}

export function wantsAll({ clusters, keys, sample }: Subscription): boolean {
  return clusters === undefined && keys === undefined && sample === 1;
}

export function wants(subscription: Subscription, assignment: Assignment): boolean {
  const { clusters, keys, sample } = subscription;
  if (clusters !== undefined && !clusters.has(assignment.clusterId)) return false;
  if (keys !== undefined && (assignment.key === null || !keys.has(assignment.key))) return false;
  return sample === 1 || drawOf(assignment.partition, assignment.offset) < sample;
}

/** A number in [0, 1) that belongs to the point: splitmix32 of where it stands in the log. */
function drawOf(partition: number, offset: number): number {
  let z = (Math.imul(partition + 1, 0x9e3779b9) ^ (offset >>> 0)) >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return ((z ^ (z >>> 15)) >>> 0) / 4_294_967_296;
}
