// Why a record of `points` cannot be used: every reason code that can stand in a dead letter (header meanstream.reason,
// label of dead_letters_total, `code` of an HTTP problem). Codes are stable; the message beside one says what was found and
// what to do. Messages never hold values of the point, only names of fields, cut short.

import { InvalidRecordError } from '../support/index.ts';

/** Code → what it means. */
export const pointFaults = {
  null_value: 'The value is null (a tombstone); points cannot be deleted.',
  empty_value: 'The value has no bytes.',
  too_large: 'The value is larger than points.bytes.max.',
  unknown_content_type: 'The content-type header is none that is known.',
  byte_order_mark: 'The JSON begins with a byte order mark.',
  bad_utf8: 'A text in the JSON is not UTF-8.',
  bad_json: 'The value is not JSON.',
  too_deep: 'Arrays or objects are nested more than 32 deep.',
  not_a_point: 'The JSON is neither an object nor an array.',
  duplicate_field: 'A field stands there twice.',
  unknown_field: 'A field has a name that points do not have.',
  missing_vector: 'The object has no vector and no features.',
  ambiguous_point: 'The object has both a vector and features.',
  not_a_vector: 'The vector is not an array of numbers.',
  empty_vector: 'The vector has no numbers.',
  too_many_dimensions: 'The vector has more than 4,096 numbers.',
  wrong_length: 'The vector has another length than the model.',
  not_a_number: 'Something in the vector is no number (null too, when model.missing is reject).',
  not_finite: 'Something in the vector is NaN or infinite.',
  all_missing: 'No value is there at all.',
  zero_vector: 'All values are 0, and the metric is cosine: the point has no direction.',
  float32_overflow: 'A number is too large for float32.',
  not_features: 'The features are not an object.',
  unnamed_features: 'Features are given by name but the model has no names.',
  unknown_feature: 'A feature has a name that the model does not have.',
  missing_feature: 'A feature of the model is not there, and model.missing is reject.',
  bad_weight: 'The weight is no finite number of at least 0.',
  bad_timestamp: 'The timestamp is no whole number of milliseconds since 1970.',
  timestamp_in_future: 'The timestamp is too far after that of the record.',
  bad_key: 'The key is no text.',
  partial_float32: 'The bytes are no whole number of float32 values.',
  not_points: 'The points of a request are no array, or there are none.',
  too_many_points: 'A request holds more points than allowed.',
} as const;

export type PointFault = keyof typeof pointFaults;

/** @param pointer to the field within the point (RFC 6901), e.g. "/vector/3". */
export function pointFault(code: PointFault, message: string, pointer = ''): InvalidRecordError {
  return new InvalidRecordError(code, message, { pointer });
}

/** A name from the data, safe to print: short, on one line, without control characters. */
export function excerpt(name: string): string {
  const short = name.length > 40 ? `${[...name].slice(0, 40).join('')}…` : name;
  return JSON.stringify(short).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\ufffd');
}
