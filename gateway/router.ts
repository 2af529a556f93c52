// Finds the route of a request, or says why there is none.

import type { Route } from './http.ts';
import { ProblemError } from './problem.ts';

export interface Match {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/** Finds routes: exact paths first, then patterns in the order given. */
export class Router {
  readonly #exact = new Map<string, Route[]>();
  readonly #patterns: { readonly segments: readonly string[]; readonly route: Route }[] = [];

  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      if (route.path.includes('{')) {
        this.#patterns.push({ segments: route.path.split('/'), route });
      } else this.#exact.set(route.path, [...(this.#exact.get(route.path) ?? []), route]);
    }
  }

  /** @throws ProblemError: nothing at this path, or not with this method. */
  match(method: string, path: string): Match {
    const found = this.#at(path);
    if (found.length === 0) {
      throw new ProblemError('not-found', `There is no ${path}; GET / shows what there is.`);
    }
    const wanted = method === 'HEAD' ? 'GET' : method;
    const match = found.find(({ route }) => route.method === wanted);
    if (match !== undefined) return match;
    const allow = found.map(({ route }) => route.method).join(', ');
    throw new ProblemError('method-not-allowed', `${path} answers ${allow}, not ${method}.`, {
      headers: { allow },
    });
  }

  #at(path: string): Match[] {
    const exact = this.#exact.get(path);
    if (exact !== undefined) return exact.map((route) => ({ route, params: {} }));
    const segments = path.split('/');
    return this.#patterns.flatMap(({ segments: pattern, route }) => {
      const params = paramsOf(pattern, segments);
      return params === undefined ? [] : [{ route, params }];
    });
  }
}

function paramsOf(
  pattern: readonly string[],
  segments: readonly string[],
): Record<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, expected] of pattern.entries()) {
    const given = segments[i]!;
    if (expected.startsWith('{')) params[expected.slice(1, -1)] = decoded(given);
    else if (expected !== given) return undefined;
  }
  return params;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new ProblemError(
      'invalid-request',
      `${segment} is not valid percent-encoding; encode the text as UTF-8.`,
    );
  }
}
