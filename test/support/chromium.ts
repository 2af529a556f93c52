// Debian's Chromium, driven by playwright-core; where it is not installed the tests that look at a page are skipped.
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const executablePath = '/usr/bin/chromium';

export const chromiumMissing = existsSync(executablePath)
  ? undefined
  : 'no /usr/bin/chromium: apt-get install chromium';

export function openChromium(): Promise<Browser> {
  const quiet = [
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ];
  return chromium.launch({ executablePath, args: ['--no-sandbox', ...quiet] });
}
