// What people see: colour only on a terminal that wants it (NO_COLOR is honoured), boxes, tables, one progress line.

import { styleText } from 'node:util';
import Table from 'cli-table3';

type Stream = typeof process.stdout | typeof process.stderr;
type Format = Parameters<typeof styleText>[0];

export function styled(stream: Stream, format: Format, text: string): string {
  return stream.isTTY && stream.hasColors() ? styleText(format, text) : text;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const drawn = new Table({ head: [...head], style: { head: [], border: [], compact: true } });
  for (const row of rows) drawn.push([...row]);
  return drawn.toString();
}

export function boxed(lines: readonly string[]): string {
  const width = Math.max(...lines.map((line) => line.length));
  const edge = '─'.repeat(width + 2);
  const body = lines.map((line) => `│ ${line.padEnd(width)} │`);
  return [`┌${edge}┐`, ...body, `└${edge}┘`].join('\n');
}

/** Redraws one line on a terminal; elsewhere says nothing until `end`. */
export class ProgressLine {
  readonly #stream: Stream;
  #isDrawn = false;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  update(text: string): void {
    if (!this.#stream.isTTY) return;
    this.#stream.write(`\r\x1b[2K${text}`);
    this.#isDrawn = true;
  }

  end(text: string): void {
    this.#stream.write(`${this.#isDrawn ? '\r\x1b[2K' : ''}${text}\n`);
    this.#isDrawn = false;
  }
}

/** "███████─────  58 %". */
export function progressBar(share: number, width = 24): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width);
  const percent = `${Math.floor(share * 100)} %`.padStart(5);
  return `${'█'.repeat(filled)}${'─'.repeat(width - filled)} ${percent}`;
}

export function thousands(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
