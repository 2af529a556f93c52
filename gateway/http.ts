// Requests and responses as plain values: everything above the socket can be tested without one. router.ts finds the
// route of a request, transport.ts joins both to uWebSockets.js.

export interface GatewayRequest {
  readonly method: string;
  /** Without the query; still percent-encoded. */
  readonly path: string;
  /** By the names in the route's pattern, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Lower-case, without parameters: "application/json". */
  readonly contentType: string;
  readonly ifNoneMatch: string;
  readonly ifMatch: string;
  /** The route's until it has answered: copy what must outlive that. */
  readonly body: Uint8Array;
}

export interface GatewayResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Segments in braces are parameters: "/v1/models/{version}". */
  readonly path: string;
  readonly handle: (request: GatewayRequest) => GatewayResponse | Promise<GatewayResponse>;
}

export function json(value: unknown, status = 200): GatewayResponse {
  return {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
    body: JSON.stringify(value),
  };
}
