// GET /v1/assignments/{key}: the latest assignment of a key, as it stands in the log.

import type { Route } from '../http.ts';
import { ProblemError } from '../problem.ts';
import type { AssignmentsView } from '../views/assignments-view.ts';

const base64Prefix = 'base64:';

export function assignmentRoute(assignments: AssignmentsView): Route {
  return {
    method: 'GET',
    path: '/v1/assignments/{key}',
    handle: async ({ params }) => {
      const key = params.key!;
      const value = await lookUp(assignments, key);
      if (value === undefined) {
        throw new ProblemError(
          'not-found',
          `No point with the key ${key} has been assigned; keys are case-sensitive, and bytes that are no text are written base64:….`,
        );
      }
      return {
        status: 200,
        headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
        body: value,
      };
    },
  };
}

/** A key is text; when there is no such text, base64:… names bytes, as in the answers. */
async function lookUp(view: AssignmentsView, key: string): Promise<Uint8Array | undefined> {
  const asText = await view.get(new TextEncoder().encode(key));
  if (asText !== undefined || !key.startsWith(base64Prefix)) return asText;
  return view.get(Buffer.from(key.slice(base64Prefix.length), 'base64'));
}
