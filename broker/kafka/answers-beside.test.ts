import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AnswerMemory, largeBytesMin } from './answer-memory.ts';
import { AnswersBeside, type OnRead } from './answers-beside.ts';

/** As Kafka frames an answer. */
function framed(correlationId: number, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeInt32BE(4 + body.length);
  head.writeInt32BE(correlationId, 4);
  return Buffer.concat([head, body]);
}

function recordingSocket(answers: AnswersBeside) {
  const data: Buffer[] = [];
  const faults: Error[] = [];
  let onread: OnRead | undefined;
  answers.socket((given) => {
    onread = given;
    return {
      emit: (_: string | symbol, answer: Buffer) => data.push(answer) > 0,
      destroy: (error?: Error) => {
        if (error !== undefined) faults.push(error);
      },
    } as never;
  });
  const read = (bytes: Buffer) => {
    const { buffer, callback } = onread!;
    for (let at = 0; at < bytes.length; at += buffer.length) {
      const piece = bytes.subarray(at, at + buffer.length);
      piece.copy(buffer);
      callback(piece.length);
    }
  };
  return { data, faults, read };
}

const bodyOfSize = (size: number, seed: number) =>
  Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed) % 251));

it('gives every answer whole and in order, wherever the pieces are cut', () => {
  const size = fc.oneof(
    fc.nat(40),
    fc.constantFrom(largeBytesMin - 5, largeBytesMin - 4, largeBytesMin + 1, 700_000),
  );
  fc.assert(
    fc.property(
      fc.array(size, { minLength: 1, maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1 }),
      (sizes, cuts) => {
        const answers = new AnswersBeside(new AnswerMemory());
        const { data, faults, read } = recordingSocket(answers);
        const bodies = sizes.map((bytes, i) => bodyOfSize(bytes, i));
        const wire = Buffer.concat(bodies.map((body, i) => framed(i + 7, body)));
        let at = 0;
        for (let i = 0; at < wire.length; i++) {
          const end = at + cuts[i % cuts.length]!;
          read(wire.subarray(at, end));
          at = end;
        }
        expect(faults).toEqual([]);
        expect(data).toHaveLength(bodies.length);
        for (const [i, frame] of data.entries()) {
          expect(frame.readInt32BE(0)).toBe(frame.length - 4);
          expect(frame.readInt32BE(4)).toBe(i + 7);
          expect(answers.bodyOf(frame.subarray(8)).bytes.equals(bodies[i]!)).toBe(true);
        }
      },
    ),
    { numRuns: 60 },
  );
});

it('uses memory again once it was released, and never before', () => {
  const answers = new AnswersBeside(new AnswerMemory());
  const { data, read } = recordingSocket(answers);
  const answerOf = (seed: number) => {
    read(framed(seed, bodyOfSize(200_000, seed)));
    return answers.bodyOf(data.at(-1)!.subarray(8));
  };
  const first = answerOf(1);
  const second = answerOf(2);
  expect(second.bytes.buffer).not.toBe(first.bytes.buffer);
  first.release();
  const third = answerOf(3);
  expect(third.bytes.buffer).toBe(first.bytes.buffer);
  expect(second.bytes.equals(bodyOfSize(200_000, 2))).toBe(true);
});

it('ends the connection to what is no Kafka', () => {
  const { data, faults, read } = recordingSocket(new AnswersBeside(new AnswerMemory()));
  read(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'));
  expect(faults).toHaveLength(1);
  expect(data).toEqual([]);
});
