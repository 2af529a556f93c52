// The keys of the database. Topics have a number, so that a deleted topic and a new one of the same name never mix.
//
//   b/<topic number>/<partition>/<base offset, 16 hex digits>   a stored batch
//   e/<topic number>/<partition>                                where the partition begins and ends
//   t/<topic>            its number, partitions and configs     n   the next topic number
//   d/<topic number>     a deleted topic whose batches may still be there
//   o/<group>/<topic>/<partition>   a committed offset          w/<transactional id>   the epoch of its writer

import type { TopicPartition } from '../broker.ts';

export interface KeyRange {
  readonly gte: string;
  readonly lt: string;
}

/** All keys that begin with `prefix`, which ends in a slash ("0" follows "/"). */
export const under = (prefix: string): KeyRange => ({
  gte: prefix,
  lt: `${prefix.slice(0, -1)}0`,
});

export const topicKey = (topic: string): string => `t/${topic}`;
export const nextTopicKey = 'n';
export const deletedKey = (number: number): string => `d/${number}`;
export const boundsKey = (number: number, partition: number): string => `e/${number}/${partition}`;
export const epochKey = (id: string): string => `w/${encodeURIComponent(id)}`;
export const batchesOf = (number: number): KeyRange => under(`b/${number}/`);
export const boundsOf = (number: number): KeyRange => under(`e/${number}/`);

export const batchKey = (number: number, partition: number, offset: number): string =>
  `b/${number}/${partition}/${offset.toString(16).padStart(16, '0')}`;

export const offsetOfBatchKey = (key: string): number => Number.parseInt(key.slice(-16), 16);

export const offsetsOf = (group: string): KeyRange => under(`o/${encodeURIComponent(group)}/`);

export const offsetKey = (group: string, { topic, partition }: TopicPartition): string =>
  `o/${encodeURIComponent(group)}/${topic}/${partition}`;

/** The last part of a key, as it was before it was made part of one. */
export const lastPart = (key: string): string =>
  decodeURIComponent(key.slice(key.lastIndexOf('/') + 1));
