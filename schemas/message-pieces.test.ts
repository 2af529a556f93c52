import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutMessage, MessageJoiner } from './message-pieces.ts';

const bytesMax = 40;
const key = (name: string): Uint8Array => new TextEncoder().encode(name);
const message = (length: number, fill = 7): Uint8Array => new Uint8Array(length).fill(fill);

describe('messages larger than a record', () => {
  it('is one record while it fits: the message itself', () => {
    const whole = message(bytesMax);
    expect(cutMessage(whole, bytesMax)).toEqual([whole]);
    expect(new MessageJoiner().take(key('a'), whole)).toBe(whole);
  });

  it('joins what was cut, whatever the others write between the pieces', () => {
    const messages = fc.array(fc.uint8Array({ minLength: 4, maxLength: 400 }), { maxLength: 4 });
    fc.assert(
      fc.property(messages, messages, fc.infiniteStream(fc.boolean()), (ours, theirs, turns) => {
        // Not a mark: the first byte of a message is a length.
        for (const each of [...ours, ...theirs]) each[3] = 0;
        const queues = [ours, theirs].map((each) =>
          each.flatMap((one) => cutMessage(one, bytesMax)),
        );
        const joiner = new MessageJoiner();
        const joined: Uint8Array[][] = [[], []];
        while (queues.some(({ length }) => length > 0)) {
          const at =
            queues[1]!.length === 0 || (queues[0]!.length > 0 && turns.next().value) ? 0 : 1;
          const record = queues[at]!.shift()!;
          expect(record.length).toBeLessThanOrEqual(bytesMax);
          const whole = joiner.take(key(`sender ${at}`), record);
          if (whole !== undefined) joined[at]!.push(Uint8Array.from(whole));
        }
        expect(joined).toEqual([ours, theirs]);
      }),
    );
  });

  it('drops pieces whose beginning it has not read', () => {
    const joiner = new MessageJoiner();
    for (const piece of cutMessage(message(100), bytesMax).slice(1)) {
      expect(joiner.take(key('a'), piece)).toBeUndefined();
    }
    expect(joined(joiner, cutMessage(message(90), bytesMax))).toEqual([message(90)]);
  });

  it('takes a message once that its sender began, and began again', () => {
    const pieces = cutMessage(message(100), bytesMax);
    expect(joined(new MessageJoiner(), [...pieces.slice(0, 2), ...pieces])).toEqual([message(100)]);
    expect(
      joined(new MessageJoiner(), [pieces[0]!, ...cutMessage(message(90, 8), bytesMax)]),
    ).toEqual([message(90, 8)]);
  });

  it('keeps what it needs of a record, whose bytes its reader uses again', () => {
    const joiner = new MessageJoiner();
    const records = cutMessage(message(100), bytesMax);
    let whole: Uint8Array | undefined;
    for (const record of records) {
      whole = joiner.take(key('a'), record);
      record.fill(0);
    }
    expect(Uint8Array.from(whole!)).toEqual(message(100));
  });

  it('refuses a piece that is cut short', () => {
    const piece = cutMessage(message(100), bytesMax)[0]!.subarray(0, 8);
    expect(() => new MessageJoiner().take(key('a'), piece)).toThrow(
      'A piece of a message has 8 bytes where its header alone has 12.',
    );
  });

  function joined(joiner: MessageJoiner, records: readonly Uint8Array[]): Uint8Array[] {
    return records.flatMap((record) => {
      const whole = joiner.take(key('a'), record);
      return whole === undefined ? [] : [Uint8Array.from(whole)];
    });
  }
});
