import { expect, test } from 'vitest';
import { json, type Route } from './http.ts';
import { problemOf, problemResponse } from './problem.ts';
import { Router } from './router.ts';

const route = (method: 'GET' | 'POST', path: string): Route => ({
  method,
  path,
  handle: () => json({}),
});
const router = new Router([
  route('GET', '/v1/things'),
  route('POST', '/v1/things'),
  route('GET', '/v1/things/{name}'),
  route('GET', '/v1/things/all'),
]);

function outcome(method: string, path: string) {
  try {
    const { route: found, params } = router.match(method, path);
    return { path: found.path, params };
  } catch (error) {
    const problem = problemOf(error);
    return { status: problem.status, headers: problem.headers };
  }
}

test.each([
  ['GET', '/v1/things', { path: '/v1/things', params: {} }],
  ['HEAD', '/v1/things', { path: '/v1/things', params: {} }],
  ['GET', '/v1/things/all', { path: '/v1/things/all', params: {} }],
  ['GET', '/v1/things/a%2Fb%20c', { path: '/v1/things/{name}', params: { name: 'a/b c' } }],
  ['GET', '/v1/things/__proto__', { path: '/v1/things/{name}', params: { name: '__proto__' } }],
  ['DELETE', '/v1/things', { status: 405, headers: { allow: 'GET, POST' } }],
  ['GET', '/v1/things/a/b', { status: 404, headers: {} }],
  ['GET', '/v1/things/', { path: '/v1/things/{name}', params: { name: '' } }],
  ['GET', '/v1/things/%e4', { status: 400, headers: {} }],
])('%s %s', (method, path, expected) => {
  expect(outcome(method, path)).toEqual(expected);
});

test('what is not known becomes a problem that says nothing of the inside', () => {
  const { status, headers, body } = problemResponse(problemOf(new Error('secret')), '/x');
  expect(status).toBe(500);
  expect(headers['content-type']).toBe('application/problem+json');
  expect(body).not.toContain('secret');
  expect(JSON.parse(String(body))).toMatchObject({
    code: 'MEANSTREAM_INTERNAL_ERROR',
    instance: '/x',
  });
});
