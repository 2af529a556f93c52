// The console blocks of a Markdown file: `$ command` lines, each with the output printed below it.
import { readFileSync } from 'node:fs';

export interface ConsoleStep {
  readonly section: string;
  readonly command: string;
  readonly output: readonly string[];
}

export function consoleSteps(file: string): ConsoleStep[] {
  const steps: { section: string; command: string; output: string[] }[] = [];
  let section = '';
  let isConsole = false;
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line.startsWith('## ')) section = line.slice(3);
    if (line.startsWith('```')) isConsole = line === '```console';
    else if (!isConsole) continue;
    else if (line.startsWith('$ ')) steps.push({ section, command: line.slice(2), output: [] });
    else steps.at(-1)?.output.push(line);
  }
  return steps;
}

/** What stays the same from one run to the next: words and shape, not numbers, ids and widths. */
export function shapeOf(line: string): string {
  return line
    .replace(/\bc\d+\b/g, 'c#')
    .replace(/\d[\d,]*(\.\d+)*(e[+-]?\d+)?/g, '#')
    .replace(/-#/g, '#')
    .replace(/[─┬┼┴]+/g, '─')
    .replace(/\s+/g, ' ')
    .trim();
}

/** The expected lines in order, each somewhere after the one before; "…" stands for any lines. */
export function missingLines(expected: readonly string[], printed: string): string[] {
  const lines = printed.split('\n').map(shapeOf);
  let from = 0;
  return expected.filter((line) => {
    if (line === '' || line === '…') return false;
    const at = lines.indexOf(shapeOf(line), from);
    if (at >= 0) from = at + 1;
    return at < 0;
  });
}
