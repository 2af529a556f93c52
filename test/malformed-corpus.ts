// Bad inputs by kind, each with the reason it must be refused for, and odd ones that must pass. A record without a word about
// its model is meant for plain vectors of two numbers.

import type { PointFault, RecordHeader } from '../schemas/index.ts';

export interface CorpusRecord {
  readonly name: string;
  readonly value: string | Uint8Array | null;
  readonly key?: string | Uint8Array | null;
  readonly timestamp?: number;
  readonly headers?: readonly RecordHeader[];
}

export interface BadRecord extends CorpusRecord {
  readonly reason: PointFault;
}

export interface GoodRecord extends CorpusRecord {
  /** As float32. */
  readonly vector: readonly [number, number];
}

/** Value limit the corpus is made for. */
export const corpusBytesMax = 20_000;
/** How far a point's timestamp may be ahead of its record's. */
export const corpusTimestampSkewMsMax = 3_600_000;

const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map((part) => Buffer.from(part as string)));
const float32 = (...values: number[]) => Buffer.from(Float32Array.from(values).buffer);
const type = (text: string): RecordHeader[] => [{ key: 'content-type', value: Buffer.from(text) }];
const raw = type('application/vnd.meanstream.float32');
const bad = (
  reason: PointFault,
  name: string,
  value: CorpusRecord['value'],
  more: Partial<CorpusRecord> = {},
): BadRecord => ({ reason, name, value, ...more });

export const badRecords: readonly BadRecord[] = [
  // Nothing there, or too much.
  bad('null_value', 'a tombstone', null),
  bad('null_value', 'a tombstone without a key', null, { key: null }),
  bad('null_value', 'a tombstone of raw float32', null, { headers: raw }),
  bad('empty_value', 'no bytes', ''),
  bad('empty_value', 'white space alone', ' \t\r\n'),
  bad('empty_value', 'no bytes of raw float32', '', { headers: raw }),
  bad('too_large', 'one byte too many', `[1,2${' '.repeat(corpusBytesMax - 4)}]`),
  bad('too_large', 'a long key inside', `{"vector":[1,2],"key":"${'k'.repeat(corpusBytesMax)}"}`),

  // Not JSON.
  bad('bad_json', 'a word', 'hello'),
  bad('bad_json', 'an XML document', '<point><x>1</x></point>'),
  bad('bad_json', 'a CSV line', 'a,1,2'),
  bad('bad_json', 'single quotes', "{'vector':[1,2]}"),
  bad('bad_json', 'a name without quotes', '{vector:[1,2]}'),
  bad('bad_json', 'a comma at the end', '[1,2,]'),
  bad('bad_json', 'a comma at the beginning', '[,1,2]'),
  bad('bad_json', 'two commas', '[1,,2]'),
  bad('bad_json', 'no comma', '[1 2]'),
  bad('bad_json', 'a comma after the last field', '{"vector":[1,2],}'),
  bad('bad_json', 'cut in the vector', '{"vector":[1,2'),
  bad('bad_json', 'cut after a comma', '[1,'),
  bad('bad_json', 'cut in a name', '{"vec'),
  bad('bad_json', 'cut after a name', '{"vector"'),
  bad('bad_json', 'cut after the colon', '{"vector":'),
  bad('bad_json', 'cut in an escape', '{"vector":[1,2],"key":"\\u00'),
  bad('bad_json', 'an opening brace', '{'),
  bad('bad_json', 'a comment', '[1,2] // here'),
  bad('bad_json', 'two points in one record', '{"vector":[1,2]}\n{"vector":[3,4]}'),
  bad('bad_json', 'a closing bracket too many', '[1,2]]'),
  bad('bad_json', 'a leading zero', '[01,2]'),
  bad('bad_json', 'a plus sign', '[+1,2]'),
  bad('bad_json', 'a point without digits after it', '[1.,2]'),
  bad('bad_json', 'a point without digits before it', '[.5,2]'),
  bad('bad_json', 'an exponent without digits', '[1e,2]'),
  bad('bad_json', 'a minus alone', '[-,2]'),
  bad('bad_json', 'two minus signs', '[--1,2]'),
  bad('bad_json', 'hexadecimal', '[0x10,2]'),
  bad('bad_json', 'decimal commas', '[1,5;2,5]'),
  bad('bad_json', 'a NUL byte behind', bytes('[1,2]', [0])),
  bad('bad_json', 'a no-break space', '[1,\u00a02]'),
  bad('bad_json', 'a control character in a key', '{"vector":[1,2],"key":"a\nb"}'),
  bad('bad_json', 'an unknown escape in a key', '{"vector":[1,2],"key":"\\x41"}'),
  bad('bad_json', 'a gzip stream', bytes([0x1f, 0x8b, 0x08, 0, 0, 0])),
  bad('bad_json', 'a schema registry envelope', bytes([0, 0, 0, 0, 7, 2, 4])),
  bad('bad_json', 'UTF-16', Buffer.from('[1,2]', 'utf16le')),
  bad('byte_order_mark', 'a byte order mark', bytes([0xef, 0xbb, 0xbf], '[1,2]')),
  bad('bad_utf8', 'Latin-1 in a name', bytes('{"', [0xe4], '":1}')),
  bad('bad_utf8', 'a cut UTF-8 sequence in a key', bytes('{"key":"', [0xe2, 0x82], '"}')),
  bad('bad_utf8', 'an overlong UTF-8 sequence', bytes('{"key":"', [0xc0, 0xaf], '"}')),
  bad('bad_utf8', 'a UTF-8 surrogate', bytes('{"key":"', [0xed, 0xa0, 0x80], '"}')),

  // JSON, but no point.
  bad('not_a_point', 'a number', '5'),
  bad('not_a_point', 'a text', '"[1,2]"'),
  bad('not_a_point', 'null', 'null'),
  bad('not_a_point', 'true', 'true'),
  bad('not_a_point', 'NaN alone', 'NaN'),
  bad('missing_vector', 'an empty object', '{}'),
  bad('missing_vector', 'a key alone', '{"key":"a"}'),
  bad('unknown_field', 'a typo', '{"vektor":[1,2]}'),
  bad('unknown_field', 'a capital', '{"Vector":[1,2]}'),
  bad('unknown_field', 'an extra field', '{"vector":[1,2],"label":3}'),
  bad('unknown_field', '__proto__', '{"__proto__":{"vector":[1,2]}}'),
  bad('unknown_field', 'constructor', '{"vector":[1,2],"constructor":1}'),
  bad('unknown_field', 'a list of points', '{"points":[{"vector":[1,2]}]}'),
  bad('unknown_field', 'a name of 10,000 letters', `{"${'x'.repeat(10_000)}":1}`),
  bad('duplicate_field', 'two vectors', '{"vector":[1,2],"vector":[3,4]}'),
  bad('duplicate_field', 'two vectors, one escaped', '{"vector":[1,2],"\\u0076ector":[3,4]}'),
  bad('duplicate_field', 'two weights', '{"weight":1,"weight":2,"vector":[1,2]}'),
  bad('unnamed_features', 'named features for a plain model', '{"features":{"x":1,"y":2}}'),
  bad('not_features', 'features as an array', '{"features":[1,2]}'),
  bad('not_a_vector', 'a vector as text', '{"vector":"1,2"}'),
  bad('not_a_vector', 'a vector as a number', '{"vector":1}'),
  bad('not_a_vector', 'a vector of null', '{"vector":null}'),
  bad('not_a_vector', 'a vector as an object', '{"vector":{"0":1,"1":2}}'),

  // The numbers.
  bad('empty_vector', 'an empty vector', '{"vector":[]}'),
  bad('empty_vector', 'an empty array', '[ ]'),
  bad('wrong_length', 'one too few', '{"vector":[1]}'),
  bad('wrong_length', 'one too many', '{"vector":[1,2,3]}'),
  bad('wrong_length', '5,000 numbers', `[${'1,'.repeat(4_999)}1]`),
  bad('not_a_number', 'null in the vector', '{"vector":[1,null]}'),
  bad('not_a_number', 'a text in the vector', '{"vector":["1","2"]}'),
  bad('not_a_number', 'a boolean in the vector', '{"vector":[true,false]}'),
  bad('not_a_number', 'a nested vector', '{"vector":[[1,2]]}'),
  bad('not_a_number', 'points as objects in an array', '[{"vector":[1,2]}]'),
  bad('too_deep', '100 brackets', `${'['.repeat(100)}1${']'.repeat(100)}`),
  bad('too_deep', '9,000 open brackets', '['.repeat(9_000)),
  bad('too_deep', 'braces in a vector', `[1,${'{"a":'.repeat(60)}1${'}'.repeat(60)}]`),
  bad('not_finite', 'NaN', '{"vector":[NaN,2]}'),
  bad('not_finite', 'Infinity', '{"vector":[1,Infinity]}'),
  bad('not_finite', '-Infinity', '{"vector":[1,-Infinity]}'),
  bad('float32_overflow', '1e39', '{"vector":[1e39,0]}'),
  bad('float32_overflow', '-1e39', '{"vector":[0,-1e39]}'),
  bad('float32_overflow', '1e400', '{"vector":[1e400,0]}'),
  bad('float32_overflow', 'just above the largest float32', '[3.4028235677973367e38,0]'),
  bad('float32_overflow', '400 digits', `[1,${'9'.repeat(400)}]`),

  // Weight, timestamp, key.
  bad('bad_weight', 'a negative weight', '{"vector":[1,2],"weight":-1}'),
  bad('bad_weight', 'a weight of NaN', '{"vector":[1,2],"weight":NaN}'),
  bad('bad_weight', 'an infinite weight', '{"vector":[1,2],"weight":1e999}'),
  bad('bad_weight', 'a weight beyond float32', '{"vector":[1,2],"weight":1e39}'),
  bad('bad_weight', 'a weight as text', '{"vector":[1,2],"weight":"1"}'),
  bad('bad_timestamp', 'half a millisecond', '{"vector":[1,2],"timestamp":1.5}'),
  bad('bad_timestamp', 'before 1970', '{"vector":[1,2],"timestamp":-1}'),
  bad('bad_timestamp', 'ISO 8601', '{"vector":[1,2],"timestamp":"2024-01-01T00:00:00Z"}'),
  bad('bad_timestamp', 'nanoseconds', '{"vector":[1,2],"timestamp":1700000000000000000}'),
  bad('bad_timestamp', 'a huge timestamp', '{"vector":[1,2],"timestamp":1e300}'),
  bad('timestamp_in_future', 'a clock two hours ahead', '{"vector":[1,2],"timestamp":7200000}', {
    timestamp: 1,
  }),
  bad('bad_key', 'a number as key', '{"vector":[1,2],"key":5}'),
  bad('bad_key', 'an object as key', '{"vector":[1,2],"key":{}}'),

  // Raw float32, and what the header says.
  bad('partial_float32', 'seven bytes', float32(1, 2).subarray(0, 7), { headers: raw }),
  bad('partial_float32', 'JSON said to be float32', '[1,22]\n\n\n', { headers: raw }),
  bad('wrong_length', 'three float32', float32(1, 2, 3), { headers: raw }),
  bad('wrong_length', 'two float64', Buffer.from(Float64Array.of(1, 2).buffer), { headers: raw }),
  bad('not_finite', 'a float32 NaN', float32(Number.NaN, 1), { headers: raw }),
  bad('not_finite', 'a float32 infinity', float32(1, -Infinity), { headers: raw }),
  bad('bad_json', 'float32 not said to be so', float32(1, 2)),
  bad('unknown_content_type', 'CSV', '1,2', { headers: type('text/csv') }),
  bad('unknown_content_type', 'Avro', '[1,2]', { headers: type('avro/binary') }),
  bad('unknown_content_type', 'an empty type', '[1,2]', { headers: type('') }),
  bad('unknown_content_type', 'a type of null', '[1,2]', {
    headers: [{ key: 'content-type', value: null }],
  }),
  bad('unknown_content_type', 'a type that is not UTF-8', '[1,2]', {
    headers: [{ key: 'content-type', value: Buffer.of(0xff, 0xfe) }],
  }),

  // Bad records under odd keys: these come back byte for byte.
  bad('bad_json', 'an empty key', 'x', { key: '' }),
  bad('bad_json', 'a key of all bytes', 'x', {
    key: Uint8Array.from({ length: 256 }, (_, i) => i),
  }),
  bad('bad_json', 'no key', 'x', { key: null }),
  bad('bad_json', 'headers of its own, one of null', 'x', {
    headers: [
      { key: 'trace', value: Buffer.of(0, 255) },
      { key: 'trace', value: null },
    ],
  }),
];

/** For a model by cosine that fills in means: a point is what has a direction. */
export const badDirections: readonly BadRecord[] = [
  bad('zero_vector', 'zeros', '{"vector":[0,0]}'),
  bad('zero_vector', 'zeros of both signs', '[-0,0.0e9]'),
  bad('zero_vector', 'an underflow to zero everywhere', '[1e-50,-1e-400]'),
  bad('zero_vector', 'a zero and a gap', '{"vector":[0,null]}'),
  bad('zero_vector', 'zeros of raw float32', float32(0, -0), { headers: raw }),
  bad('zero_vector', 'a float32 zero and NaN', float32(Number.NaN, 0), { headers: raw }),
  bad('all_missing', 'gaps alone', '[null,null]'),
  bad('all_missing', 'gaps of raw float32', float32(Number.NaN, Number.NaN), { headers: raw }),
  bad('not_finite', 'NaN where null is meant', '[NaN,1]'),
  bad('not_finite', 'an infinity beside a gap', '[null,Infinity]'),
  bad('not_finite', 'a float32 infinity beside a gap', float32(Number.NaN, Infinity), {
    headers: raw,
  }),
  bad('not_a_number', 'a text for a gap', '["",1]'),
  bad('not_a_number', 'a misspelt null', '[nul,1]'),
  bad('bad_json', 'more than null', '[nullx,1]'),
  bad('bad_json', 'nothing for null', '[,1]'),
  bad('wrong_length', 'a gap too many', '[null,1,null]'),
];

/** For the same model. */
export const goodDirections: readonly CorpusRecord[] = [
  { name: 'a gap', value: '{"vector":[1,null]}' },
  { name: 'a gap first, with white space', value: '[ null , -3 ]' },
  { name: 'the smallest float32', value: '[1e-45,0]' },
  { name: 'the largest float32', value: '[3.4028234663852886e38,-3.4028234663852886e38]' },
  { name: 'a float32 NaN', value: float32(Number.NaN, 1e-45), headers: raw },
];

const good = (
  name: string,
  value: string | Uint8Array,
  vector: readonly [number, number],
  more: Partial<CorpusRecord> = {},
): GoodRecord => ({ name, value, vector, ...more });

export const goodRecords: readonly GoodRecord[] = [
  good('minus zero', '[-0,-0.0]', [-0, -0]),
  good('a subnormal float32', '[1e-40,0]', [1e-40, 0]),
  good('an underflow to zero', '[1e-50,-1e-400]', [0, -0]),
  good('the largest float32', '[3.4028234663852886e38,0]', [3.4028234663852886e38, 0]),
  good('an integer beyond 2^53', '[9007199254740993,12345678901234567890]', [
    2 ** 53,
    Number('12345678901234567890'),
  ]),
  good('a hundred digits', `[0.${'1'.repeat(100)},1${'0'.repeat(20)}]`, [1 / 9, 1e20]),
  good('capital exponents', '[1E+2,25e-1]', [100, 2.5]),
  good('CRLF and tabs', '\r\n\t{ "vector" :\r\n[ 1 ,\t2 ] }\r\n', [1, 2]),
  good('an escaped name', '{"\\u0076\\u0065ctor":[1,2]}', [1, 2]),
  good(
    'an escaped key with a surrogate pair',
    '{"key":"\\ud83d\\ude00\\"","vector":[1,2]}',
    [1, 2],
  ),
  good('a lone surrogate in the key', '{"key":"\\ud800","vector":[1,2]}', [1, 2]),
  good('fields in another order', '{"timestamp":0,"weight":0,"key":"ü","vector":[1,2]}', [1, 2]),
  good('null for what is optional', '{"vector":[1,2],"weight":null,"timestamp":null}', [1, 2]),
  good('a timestamp with an exponent', '{"vector":[1,2],"timestamp":1.7e3}', [1, 2]),
  good('the smallest weight', '{"vector":[1,2],"weight":1e-45}', [1, 2]),
  good('as large as allowed', `[1,2${' '.repeat(corpusBytesMax - 5)}]`, [1, 2]),
  good('raw float32', float32(-0, 1e-45), [-0, 1e-45], { headers: raw }),
  good('a type with parameters', '[1,2]', [1, 2], {
    headers: type(' Application/JSON ; charset=utf-8'),
  }),
  good('two types, the last one counts', '[1,2]', [1, 2], {
    headers: [...type('text/csv'), ...type('application/json')],
  }),
  good('an empty key', '[1,2]', [1, 2], { key: '' }),
  good('a key that is not UTF-8', '[1,2]', [1, 2], { key: Buffer.of(0xff, 0, 0x22) }),
];
