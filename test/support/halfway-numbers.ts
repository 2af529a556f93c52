import fc from 'fast-check';

/** Numbers halfway between two float32 values, or as near to it as float64 gets; with digits behind that do not fit into a float64. */
export const halfwayNumbers = fc
  .tuple(
    fc.float({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(-1, 0, 1),
    fc.option(fc.nat(8)),
  )
  .map(([x, side, zeros]) => {
    const word = new Uint32Array(Float32Array.of(x).buffer);
    word[0]! += 1;
    const middle = (x + new Float32Array(word.buffer)[0]!) / 2;
    const text = `${middle * (1 + side * Number.EPSILON)}`;
    if (zeros === null) return text;
    const [digits = '', ...exponent] = text.split(/(?=e)/);
    const point = digits.includes('.') ? '' : '.';
    return `${digits}${point}${'0'.repeat(zeros)}1${exponent.join('')}`;
  });
