import { expect, it } from 'vitest';
import { decodeColumnMessage, encodeColumnMessage } from './column-message.ts';

const message = {
  type: 'step',
  n: 3,
  nested: { sums: Float64Array.of(1.5, -0, Number.NaN), list: [Float32Array.of(1, 2, 3)] },
  labels: Int32Array.of(-1, 7),
  none: new Float64Array(0),
  raw: Uint8Array.of(1, 2, 3),
};

it('carries columns to the last bit, wherever the record lies in memory', () => {
  const bytes = encodeColumnMessage(message);
  const shifted = new Uint8Array(bytes.length + 3);
  shifted.set(bytes, 3);
  expect(decodeColumnMessage(shifted.subarray(3))).toEqual(message);
});

it('carries a Buffer as the bytes that it is', () => {
  const bytes = encodeColumnMessage({ raw: Buffer.from([1, 2, 3]) });
  expect(decodeColumnMessage(bytes)).toEqual({ raw: Uint8Array.of(1, 2, 3) });
});

it('owns the memory of what it returns', () => {
  const bytes = encodeColumnMessage(message);
  const decoded = decodeColumnMessage<typeof message>(bytes);
  bytes.fill(0);
  expect(decoded.nested.sums[0]).toBe(1.5);
});

it('refuses bytes that are cut off or something else', () => {
  const bytes = encodeColumnMessage(message);
  const refused = expect.objectContaining({ code: 'MEANSTREAM_INVALID_MESSAGE' });
  expect(() => decodeColumnMessage(bytes.subarray(0, bytes.length - 8))).toThrow(refused);
  expect(() => decodeColumnMessage(new Uint8Array(2))).toThrow(refused);
  expect(() => decodeColumnMessage(new Uint8Array(64).fill(255))).toThrow(refused);
});
