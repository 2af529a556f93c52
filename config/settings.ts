// Every knob, one row each: default, range, what a change needs, one sentence. The loader, its messages, the JSON
// Schema and docs/SETTINGS.md all come from these rows. Kafka's own names where Kafka has one.
//
// One dotted key has three spellings by one rule: `model.k: 7` in the file, MEANSTREAM_MODEL_K=7, --set model.k=7.

import { hostname } from 'node:os';
import { halfLifeForms, halfLifePattern } from './half-life.ts';
import {
  boolean,
  choice,
  integer,
  list,
  milliseconds,
  type Setting,
  text,
} from './setting-types.ts';

const kafka = {
  'bootstrap.servers': list({
    default: [],
    change: 'restart',
    says: 'Kafka brokers to begin with, host:port each; without any, only `dev` runs, on its embedded log.',
  }),
  'application.id': text({
    default: 'meanstream',
    pattern: /^[a-zA-Z0-9._-]{1,200}$/,
    allowed: 'letters, digits, dots, dashes and underscores',
    change: 'reset',
    says: 'Names the consumer group, the transactional ids and the changelog topics.',
  }),
  'group.instance.id': text({
    default: hostname(),
    pattern: /^[a-zA-Z0-9._-]{1,200}$/,
    allowed: 'letters, digits, dots, dashes and underscores',
    change: 'restart',
    says: 'Stable name of this process, so that it gets its old partitions back after a restart (default: the host name).',
  }),
  'auto.offset.reset': choice(['earliest', 'latest'], {
    default: 'earliest',
    change: 'restart',
    says: 'Where a partition of `points` begins when the group has no committed offset for it.',
  }),
  'processing.guarantee': choice(['exactly_once_v2', 'at_least_once'], {
    default: 'exactly_once_v2',
    change: 'restart',
    says: 'exactly_once_v2: outputs, state and input offsets of a task are one transaction. at_least_once: none; after a crash points may be assigned and learned twice, and none is lost.',
  }),
  'commit.interval.ms': milliseconds({
    default: 100,
    min: 1,
    max: 60_000,
    change: 'restart',
    says: 'How often each task commits; an assignment is visible at the next commit. A task that is behind commits up to four of them apart, half a second at most where one is shorter.',
  }),
  'transaction.timeout.ms': milliseconds({
    default: 15_000,
    min: 1_000,
    max: 900_000,
    change: 'restart',
    says: 'How long Kafka waits for a commit of a silent process before it aborts the transaction.',
  }),
  'session.timeout.ms': milliseconds({
    default: 10_000,
    min: 1_000,
    max: 1_800_000,
    change: 'restart',
    says: 'How long a process may be silent before the group gives its partitions to others.',
  }),
  'security.protocol': choice(['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'], {
    default: 'PLAINTEXT',
    change: 'restart',
    says: 'How to talk to the brokers.',
  }),
  'sasl.mechanism': choice(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'], {
    default: 'SCRAM-SHA-512',
    change: 'restart',
    says: 'How to log in when `security.protocol` begins with SASL.',
  }),
  'sasl.username': text({ default: '', change: 'restart', says: 'The user to log in as.' }),
  'sasl.password': text({
    default: '',
    secret: true,
    change: 'restart',
    says: 'The password of `sasl.username`.',
  }),
  'ssl.ca.file': text({
    default: '',
    change: 'restart',
    says: 'PEM file with the certificate authority of the brokers (default: those Node.js trusts).',
  }),
} satisfies Section;

const topicSettings = {
  'replication.factor': integer({
    default: 1,
    min: 1,
    max: 32,
    change: 'reset',
    says: 'Replicas of every topic that `topics apply` makes; 3 on a cluster that must survive a broker.',
  }),
  'topics.partitions': integer({
    default: 4,
    min: 1,
    max: 10_000,
    change: 'reset',
    says: 'Partitions of `points`, `assignments` and `dead-letters`: the most tasks that can work side by side.',
  }),
  'topics.points.retention.ms': milliseconds({
    default: 604_800_000,
    min: -1,
    change: 'reset',
    says: 'How long `points` are kept, and so how far back a retrain can look; -1 keeps them for ever.',
  }),
  'topics.derived.retention.ms': milliseconds({
    default: 604_800_000,
    min: -1,
    change: 'reset',
    says: 'How long what is made from points is kept: assignments, deltas, quality, events, drift.',
  }),
  'topics.retention.bytes': integer({
    default: -1,
    min: -1,
    change: 'reset',
    says: 'Most bytes a partition of those topics keeps, oldest gone first; -1 is no limit (`dev`: 268435456).',
  }),
} satisfies Section;

const model = {
  'model.k': integer({
    default: 8,
    min: 1,
    max: 16_384,
    change: 'reset',
    says: 'Number of clusters.',
  }),
  'model.dimensions': integer({
    default: 0,
    min: 0,
    max: 65_536,
    change: 'reset',
    says: 'Numbers in a point; 0 lets the first valid point (or `model.features`) fix it.',
  }),
  'model.features': list({
    default: [],
    change: 'reset',
    says: 'Names of the features in vector order; lets points be objects of named features.',
  }),
  'model.metric': choice(['euclidean', 'cosine'], {
    default: 'euclidean',
    change: 'reset',
    says: 'What is near: by squared distance, or by direction alone (spherical k-means; a point of zeros is a dead letter).',
  }),
  'model.missing': choice(['reject', 'mean', 'partial'], {
    default: 'reject',
    change: 'reset',
    says: 'A value of null (float32: NaN) or an absent named feature: a dead letter; the mean of the feature; left out of the distance.',
  }),
  'model.scaling': choice(['auto', 'standard', 'none'], {
    default: 'auto',
    change: 'reset',
    says: 'Whether distances are measured in standard deviations of each feature, fixed per generation; auto: not with cosine.',
  }),
  'model.seed': integer({
    default: 1,
    min: 0,
    max: 4_294_967_295,
    change: 'restart',
    says: 'Seed of every random choice; the same log and seed give the same model.',
  }),
  'model.half.life': text({
    default: 'auto',
    pattern: halfLifePattern,
    allowed: `${halfLifeForms}, or auto`,
    change: 'restart',
    says: 'After how much an old point counts half in its centroid, by points, by batches (commits of a task) or by event time; 1.44 times that much is remembered. `auto` is 1000 points for each cluster. From the next generation (bootstrap, retrain).',
  }),
  'model.staleness.max.ms': milliseconds({
    default: 0,
    min: 0,
    change: 'restart',
    says: 'A task assigns no more points while the oldest that it has learned is in no model it has received for longer than this: assignments wait rather than go on with an old model when the owner of the model is down. 0 never waits.',
  }),
  'bootstrap.rows': integer({
    default: 2_000,
    min: 1,
    max: 1_000_000,
    change: 'restart',
    says: 'Points to gather before the first model is seeded.',
  }),
  'bootstrap.wait.ms': milliseconds({
    default: 10_000,
    min: 0,
    change: 'restart',
    says: 'Seed with fewer points than `bootstrap.rows` when this long has passed since the first.',
  }),
  'promotion.policy': choice(['immediate', 'gate', 'manual'], {
    default: 'immediate',
    change: 'restart',
    says: 'What becomes of a retrain: promoted when it is no worse on what it replayed; scored beside the champion on live points and promoted when better by the margin; or left as a candidate.',
  }),
  'promotion.points': integer({
    default: 20_000,
    min: 100,
    change: 'restart',
    says: 'Live points on which a version beside the champion (alias `shadow`) is compared before it is judged.',
  }),
  'promotion.margin.percent': integer({
    default: 1,
    min: 0,
    max: 99,
    change: 'restart',
    says: 'By how much its mean squared distance must be smaller than the champion’s for `gate` to promote it.',
  }),
  'promotion.sample.every': integer({
    default: 16,
    min: 1,
    max: 1_000_000,
    change: 'restart',
    says: 'Every so many offsets a point is also scored by the version beside the champion; none when there is none.',
  }),
  'drift.window.points': integer({
    default: 5_000,
    min: 100,
    change: 'restart',
    says: 'Points in a window of the drift detectors; a window is compared with the first of its generation.',
  }),
  'challengers.list': list({
    default: [],
    change: 'restart',
    says: 'Models with other parameters to run beside the one in use, at most 8, such as `k=9` or `half.life=5000 points`; their comparison is on `challengers`. It begins anew when they change.',
  }),
  'challengers.sample.every': integer({
    default: 10,
    min: 1,
    max: 1_000_000,
    change: 'restart',
    says: 'Challengers look at one point of so many, by its offset.',
  }),
  'retrain.schedule': text({
    default: 'never',
    allowed: 'a cron expression such as 0 3 * * * (with seconds: 0 0 3 * * *), or never',
    change: 'restart',
    says: 'When a retrain is asked for, by UTC. Due times that nobody was there for are made up for by one. (`dev`: every five minutes, `*/5 * * * *`.)',
  }),
  'retrain.every.points': integer({
    default: 0,
    min: 0,
    change: 'restart',
    says: 'After how many more records a retrain is asked for; 0 is never.',
  }),
  'retrain.on.drift': boolean({
    default: false,
    change: 'restart',
    says: 'Whether a drift alarm asks for a retrain.',
  }),
  'retrain.drift.cooldown.ms': milliseconds({
    default: 600_000,
    min: 0,
    change: 'restart',
    says: 'A drift alarm asks for none so soon after the last request of any kind.',
  }),
  'retrain.drift.budget.per.day': integer({
    default: 6,
    min: 1,
    max: 1_000,
    change: 'restart',
    says: 'Most retrains that drift asks for in 24 hours.',
  }),
} satisfies Section;

const retrain = {
  'retrain.workers': integer({
    default: 2,
    min: 0,
    max: 256,
    change: 'restart',
    says: 'Threads that replay and answer for `retrain` and in each `retrain-worker`; with 0 a `retrain` only coordinates, and waits for workers elsewhere.',
  }),
  'retrain.dir': text({
    default: '.meanstream/retrain',
    change: 'restart',
    says: 'Folder of the local segments of retrain workers; gone with the job.',
  }),
  'retrain.disk.bytes.max': integer({
    default: 68_719_476_736,
    min: 1_048_576,
    change: 'restart',
    says: 'Most bytes of segments that a worker keeps on disk; a job that needs more fails and says so.',
  }),
  'retrain.memory.bytes.max': integer({
    default: 1_073_741_824,
    min: 1_048_576,
    change: 'restart',
    says: 'Most bytes that a worker keeps for the rows of its segments, 12 for each row; a job that needs more fails and says so.',
  }),
  'retrain.segments.encrypted': boolean({
    default: false,
    change: 'restart',
    says: 'Whether segments are encrypted (AES-256-GCM) with a key that never leaves the memory of the worker.',
  }),
  'retrain.history': choice(['coreset', 'log'], {
    default: 'coreset',
    change: 'restart',
    says: 'What a retrain begins with: the newest coreset, and then only what is newer; or all that the log still has.',
  }),
  'retrain.worker.timeout.ms': milliseconds({
    default: 10_000,
    min: 500,
    max: 600_000,
    change: 'restart',
    says: 'How long a retrain worker may be silent before its ranges are given to others.',
  }),
  'retrain.wait.ms': milliseconds({
    default: 300_000,
    min: 1_000,
    change: 'restart',
    says: 'How long a retrain waits while no worker lives; then it ends, and the next one goes on where it was.',
  }),
} satisfies Section;

const points = {
  'points.format': choice(['json', 'float32'], {
    default: 'json',
    change: 'restart',
    says: 'How a record of `points` without a `content-type` header is read.',
  }),
  'points.bytes.max': integer({
    default: 262_144,
    min: 64,
    max: 16_777_216,
    change: 'restart',
    says: 'A larger point is a dead letter (and 413 over HTTP).',
  }),
  'points.timestamp.ahead.max.ms': milliseconds({
    default: 3_600_000,
    min: 0,
    change: 'restart',
    says: 'A point whose own timestamp is further ahead of its record is a dead letter.',
  }),
} satisfies Section;

const runtime = {
  'state.dir': text({
    default: '.meanstream/state',
    change: 'restart',
    says: 'Folder of the local state stores; everything in it can be restored from changelogs.',
  }),
  'state.store.engine': choice(['rocksdb', 'level', 'memory'], {
    default: 'rocksdb',
    change: 'restart',
    says: 'What keeps state on this machine; `memory` restores all of it at every start.',
  }),
  'artifacts.location': text({
    default: '.meanstream/artifacts',
    pattern: /^(s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[\w.-]+)*\/?|(?!\w[\w+.-]*:\/)\S+)$/,
    allowed: 'a folder, or s3://bucket/prefix',
    change: 'restart',
    says: 'Where artifacts are kept (model versions, coresets), each under the SHA-256 of its content; shared by all processes that need them. A bucket needs AWS_REGION and credentials where the AWS SDK looks for them (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, a role).',
  }),
  'artifacts.endpoint': text({
    default: '',
    pattern: /^(https?:\/\/[^\s/@]+\/?)?$/,
    allowed: 'a URL such as http://minio:9000',
    change: 'restart',
    says: 'Server of the bucket in `artifacts.location`, when it is not AWS.',
  }),
  'artifacts.keys': text({
    default: '',
    secret: true,
    change: 'restart',
    says: 'Encrypts artifacts (AES-256-GCM): `id=base64 of 32 bytes`, several with commas between. The first writes, all read: a new one in front rotates.',
  }),
  'batch.rows.max': integer({
    default: 8_192,
    min: 1,
    max: 1_000_000,
    change: 'restart',
    says: 'Most records a task takes in one step.',
  }),
  'num.stream.threads': integer({
    default: 1,
    min: 1,
    max: 64,
    change: 'restart',
    says: 'Threads of `processor` that run tasks, each a member of the group; above 1 none of them answers the health port.',
  }),
  'num.standby.replicas': integer({
    default: 0,
    min: 0,
    max: 8,
    change: 'restart',
    says: 'Copies of the state of every task on other processes, kept up to date to take over at once.',
  }),
  'max.warmup.replicas': integer({
    default: 2,
    min: 1,
    max: 1_000,
    change: 'restart',
    says: 'Most copies made at one time for tasks that are to move to another process.',
  }),
  'acceptable.recovery.lag': integer({
    default: 10_000,
    min: 0,
    change: 'restart',
    says: 'A copy that lacks no more changelog records than this counts as caught up: its task may move there.',
  }),
  'watchdog.timeout.ms': milliseconds({
    default: 60_000,
    min: 15_000,
    max: 86_400_000,
    change: 'restart',
    says: 'A task with something to do that commits nothing for this long is restarted; if in vain, /livez fails.',
  }),
  'http.host': text({
    default: '127.0.0.1',
    pattern: /^\S+$/,
    allowed: 'an address of this machine, such as 127.0.0.1 or 0.0.0.0',
    change: 'restart',
    says: 'Address to listen on, for the gateway and for the health port of `processor`.',
  }),
  'http.port': integer({
    default: 8_080,
    min: 0,
    max: 65_535,
    change: 'restart',
    says: 'Port of the gateway; 0 takes a free one.',
  }),
  'metrics.port': integer({
    default: 9_464,
    min: 0,
    max: 65_535,
    change: 'restart',
    says: 'Port of health and metrics in `processor`; 0 takes a free one.',
  }),
  'log.level': choice(['debug', 'info', 'warn', 'error'], {
    default: 'info',
    change: 'restart',
    says: 'Least important log line to write.',
  }),
} satisfies Section;

type Section = Readonly<Record<string, Setting<unknown>>>;

export const settings = { ...kafka, ...topicSettings, ...model, ...retrain, ...points, ...runtime };

export type SettingKey = keyof typeof settings;

/** A value for every key, checked. */
export type SettingValues = {
  readonly [Key in SettingKey]: (typeof settings)[Key] extends Setting<infer Value> ? Value : never;
};

export const settingKeys = Object.keys(settings) as SettingKey[];

/** The table in chapters, for the reference page. */
export const settingSections: readonly { title: string; keys: readonly string[] }[] = [
  { title: 'Kafka', keys: Object.keys(kafka) },
  { title: 'Topics', keys: Object.keys(topicSettings) },
  { title: 'Model', keys: Object.keys(model) },
  { title: 'Retrain', keys: Object.keys(retrain) },
  { title: 'Points', keys: Object.keys(points) },
  { title: 'Process', keys: Object.keys(runtime) },
];

export function isSettingKey(key: string): key is SettingKey {
  return Object.hasOwn(settings, key);
}

/** MEANSTREAM_MODEL_K for model.k. */
export function environmentName(key: string): string {
  return `MEANSTREAM_${key.toUpperCase().replaceAll('.', '_')}`;
}
