import { describe, expect, it } from 'vitest';
import { type PointRequest, readPointLines, readPointRequest } from './point-request.ts';

const options = { shape: { dims: 0, features: [] }, pointsMax: 3, bytesMax: 100 };

const texts = (request: PointRequest) =>
  request.recordValues.map((value) => Buffer.from(value).toString());
const keys = (request: PointRequest) =>
  request.keys.map((key) => key && Buffer.from(key).toString());

function fault(read: () => unknown): unknown {
  try {
    read();
  } catch (error) {
    const { code, fields } = error as { code: string; fields: { pointer: string } };
    return { code, pointer: fields.pointer };
  }
  return undefined;
}

describe('a request of points', () => {
  it('keeps each value byte for byte, and takes the key out of it', () => {
    const body = Buffer.from(
      '{ "points" : [ {"key":"ä","vector":[1, 2]} , [3,4], {"vector":[5,6]}\n]}',
    );
    const request = readPointRequest(body, options);
    expect(texts(request)).toEqual(['{"key":"ä","vector":[1, 2]}', '[3,4]', '{"vector":[5,6]}']);
    expect(keys(request)).toEqual(['ä', null, null]);
    expect(request).toMatchObject({ n: 3, dims: 2, values: Float32Array.of(1, 2, 3, 4, 5, 6) });
  });

  it('may be one point alone', () => {
    const request = readPointRequest(Buffer.from(' {"vector":[1],"key":""} '), options);
    expect(texts(request)).toEqual(['{"vector":[1],"key":""}']);
    expect(keys(request)).toEqual(['']);
  });

  it('may be one point a line, with CRLF, empty lines and no last newline', () => {
    const request = readPointLines(Buffer.from('[1]\r\n\n{"vector":[2]}\r\n[3]'), options);
    expect(texts(request)).toEqual(['[1]', '{"vector":[2]}', '[3]']);
  });

  it.each([
    ['{"points":[[1],["a"]]}', 'not_a_number', '/points/1/0'],
    ['{"points":[{"vector":[1]},{"vector":[1,2]}]}', 'wrong_length', '/points/1/vector'],
    ['{"points":[{"vector":[1],"a/b":1}]}', 'unknown_field', '/points/0/a~1b'],
    ['{"points":[]}', 'not_points', '/points'],
    ['{"points":{}}', 'not_points', '/points'],
    ['{"points":[[1]],"x":1}', 'unknown_field', ''],
    ['{"points":[[1],[2],[3],[4]]}', 'too_many_points', '/points/3'],
    [`[${'1'.repeat(30)}${',1'.repeat(50)}]`, 'too_large', ''],
    ['{"points":[[1]', 'bad_json', ''],
    ['{"points":[[1]]} x', 'bad_json', ''],
    ['', 'empty_value', ''],
    ['5', 'not_a_point', ''],
    ['\ufeff[1]', 'byte_order_mark', ''],
  ])('%s is refused', (body, code, pointer) => {
    expect(fault(() => readPointRequest(Buffer.from(body), options))).toEqual({ code, pointer });
  });

  it('names the line of a fault', () => {
    const lines = (text: string) => fault(() => readPointLines(Buffer.from(text), options));
    expect(lines('[1]\n\n[true]')).toEqual({ code: 'not_a_number', pointer: '/2/0' });
    expect(lines('[1] [2]')).toEqual({ code: 'bad_json', pointer: '/0' });
    expect(lines('\n')).toEqual({ code: 'not_points', pointer: '' });
  });
});
