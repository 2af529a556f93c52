// Colours of clusters, told apart with any colour vision (after Okabe and Ito, 2008, tuned for each ground). A cluster
// keeps its colour for life: it comes from the number in its id. Beyond the palette colours repeat; ids stand beside them.

const onDark = [
  '#56b4e9',
  '#f0a30a',
  '#2fc18c',
  '#f2724b',
  '#e79ad0',
  '#f2e25c',
  '#6f8dff',
  '#b8bfcc',
  '#9ad14b',
  '#c9a06a',
];
const onLight = [
  '#0b78bd',
  '#c87800',
  '#008a63',
  '#cf4a1c',
  '#b24c93',
  '#8a7a00',
  '#3f55d6',
  '#5b6575',
  '#4e8a12',
  '#8a5f2b',
];

export function colourOf(clusterId: string, isDark: boolean): string {
  const palette = isDark ? onDark : onLight;
  const digits = /\d+/.exec(clusterId);
  const number = digits === null ? hash(clusterId) : Number(digits[0]) - 1;
  return palette[((number % palette.length) + palette.length) % palette.length]!;
}

function hash(text: string): number {
  let value = 0;
  for (const char of text) value = (value * 31 + char.codePointAt(0)!) >>> 0;
  return value;
}
