// What a plain GET of a WebSocket address is told.

import type { Route } from '../http.ts';
import { ProblemError } from '../problem.ts';

export function upgradeRequiredRoutes(paths: readonly string[]): Route[] {
  return paths.map((path) => ({
    method: 'GET',
    path,
    handle: () => {
      throw new ProblemError('upgrade-required', `Open ${path} as a WebSocket.`, {
        headers: { upgrade: 'websocket' },
      });
    },
  }));
}
