// Every bound of the gateway, by name. A request or a client above one of them is refused, told so, or let go.

export interface GatewayLimits {
  /** A request's body. */
  readonly bodyBytesMax: number;
  readonly jsonDepthMax: number;
  readonly pointsPerRequestMax: number;
  readonly dimsMax: number;
  /** Requests of one route that have no answer yet. */
  readonly requestsInFlightMax: number;
  /** Their bodies, as far as they are here. */
  readonly bodyBytesHeldMax: number;
  readonly webSocketsMax: number;
  /** Open WebSockets from one address; loopback is exempt, for who reaches it owns the machine. */
  readonly webSocketsPerAddressMax: number;
  readonly webSocketMessageBytesMax: number;
  /** Values of one filter of one subscription. */
  readonly filterValuesMax: number;
  /** What may wait for a slow client before frames are left out and a gap is announced. */
  readonly backpressureBytesMax: number;
  /** A client that stays above it for this long is closed. */
  readonly slowClientMsMax: number;
  /** Rows in one assignments frame. */
  readonly frameRowsMax: number;
  /** Rows of one read of a topic. */
  readonly readRowsMax: number;
  /** How long a command about the model waits for its decision before it is answered with 202. */
  readonly decisionWaitMsMax: number;
}

export const defaultLimits: GatewayLimits = {
  bodyBytesMax: 1_048_576,
  jsonDepthMax: 32,
  pointsPerRequestMax: 1_000,
  dimsMax: 4_096,
  requestsInFlightMax: 2_000,
  bodyBytesHeldMax: 4_194_304,
  webSocketsMax: 10_000,
  webSocketsPerAddressMax: 50,
  webSocketMessageBytesMax: 65_536,
  filterValuesMax: 100,
  backpressureBytesMax: 1_048_576,
  slowClientMsMax: 10_000,
  frameRowsMax: 1_000,
  readRowsMax: 4_000,
  decisionWaitMsMax: 10_000,
};
