// What is not written here, and what to write instead.

import ts from 'typescript';
import { packageName } from './imports.ts';
import { lineOf, type SourceFile, type Violation, walk } from './source-files.ts';

interface Ban {
  readonly what: string;
  readonly instead: string;
  readonly finds: (node: ts.Node, file: SourceFile) => boolean;
  readonly allowed: (file: SourceFile) => boolean;
}

const isIn =
  (...folders: string[]) =>
  ({ path }: SourceFile): boolean =>
    folders.some((folder) => path.startsWith(`${folder}/`));
const nowhere = (): boolean => false;

/** Tests and benches may time things; the dashboard runs in a browser, which passes no clock in. */
const mayTime = (file: SourceFile): boolean =>
  file.isTest || isIn('support', 'bin', 'bench', 'gateway/dashboard')(file);
const clock = 'the Clock that is passed in';

const bans: readonly Ban[] = [
  {
    what: 'process.env',
    instead: 'an option; only config/ reads the environment',
    finds: isMember('process', 'env'),
    allowed: (file) => file.isTest || isIn('config')(file),
  },
  { what: 'Date.now', instead: clock, finds: isMember('Date', 'now'), allowed: mayTime },
  {
    what: 'performance.now',
    instead: clock,
    finds: isMember('performance', 'now'),
    allowed: mayTime,
  },
  {
    what: 'Math.random',
    instead: 'the Random that is passed in',
    finds: isMember('Math', 'random'),
    allowed: mayTime,
  },
  { what: 'a timer', instead: clock, finds: isTimer, allowed: mayTime },
  {
    what: 'console',
    instead: 'the logger',
    finds: (node) => ts.isPropertyAccessExpression(node) && node.expression.getText() === 'console',
    allowed: isIn('bin'),
  },
  {
    what: 'export default',
    instead: 'a named export',
    finds: isDefaultExport,
    allowed: ({ path }) => /(\.config|-reporter|\.d)\.ts$/.test(path),
  },
  {
    what: 'export *',
    instead: 'the names that are exported',
    finds: (node) =>
      ts.isExportDeclaration(node) &&
      (node.exportClause === undefined || ts.isNamespaceExport(node.exportClause)),
    allowed: nowhere,
  },
  {
    what: 'enum',
    instead: 'a union of literals',
    finds: ts.isEnumDeclaration,
    allowed: nowhere,
  },
  {
    what: 'namespace',
    instead: 'a module',
    finds: (node) => ts.isModuleDeclaration(node) && !ts.isStringLiteral(node.name),
    allowed: nowhere,
  },
  { what: 'a decorator', instead: 'a plain function', finds: ts.isDecorator, allowed: nowhere },
  {
    what: 'any',
    instead: 'unknown, parsed once (or a biome-ignore line that says why not)',
    finds: (node, { tree }) => node.kind === ts.SyntaxKind.AnyKeyword && !isExplained(node, tree),
    allowed: nowhere,
  },
  {
    what: '.only(',
    instead: 'the whole suite',
    finds: (node) =>
      ts.isCallExpression(node) &&
      ts.isPropertyAccessExpression(node.expression) &&
      node.expression.name.text === 'only',
    allowed: (file) => !file.isTest,
  },
];

/** Packages with one home: what they are wrapped by, and who may see them unwrapped. */
const homes: readonly { packages: string[]; home: string; instead: string; also?: string[] }[] = [
  { packages: ['kafkajs'], home: 'broker/kafka', instead: 'the Broker contract', also: ['bench'] },
  { packages: ['rocksdb-native'], home: 'state-stores', instead: 'openEngine' },
  {
    packages: ['classic-level'],
    home: 'state-stores',
    instead: 'openEngine, or the embedded broker',
    also: ['broker/embedded'],
  },
  {
    packages: ['avsc', '@kafkajs/confluent-schema-registry'],
    home: 'schemas',
    instead: 'the codecs of schemas/',
  },
  { packages: ['@aws-sdk/client-s3'], home: 'state-stores', instead: 'S3Blobs' },
  { packages: ['uWebSockets.js'], home: 'gateway', instead: 'the routes of gateway/' },
  { packages: ['prom-client'], home: 'support', instead: 'Metrics', also: ['gateway'] },
];

export function banViolations(file: SourceFile): Violation[] {
  return [...writtenViolations(file), ...commentViolations(file), ...homeViolations(file)];
}

function writtenViolations(file: SourceFile): Violation[] {
  const { path, tree } = file;
  const active = bans.filter(({ allowed }) => !allowed(file));
  const found: Violation[] = [];
  walk(tree, (node) => {
    for (const { what, instead, finds } of active) {
      if (!finds(node, file)) continue;
      const line = lineOf(tree, node.getStart(tree));
      found.push({ path, line, message: `has ${what}; use ${instead}` });
    }
  });
  return found;
}

/** Comments that stand on their own line, which is where these two work. */
function commentViolations({ path, tree }: SourceFile): Violation[] {
  return [...tree.text.matchAll(/^\s*(?:\/\/|\/?\*+)\s*@(ts-ignore|ts-nocheck)\b/gm)].map(
    (match) => ({
      path,
      line: lineOf(tree, match.index),
      message: `has @${match[1]}; use a type that is right`,
    }),
  );
}

function homeViolations(file: SourceFile): Violation[] {
  return file.imports.flatMap(({ specifier, line }) =>
    homes
      .filter(({ packages }) => packages.includes(packageName(specifier)))
      .filter(({ home, also = [] }) => !isIn(home, ...also)(file))
      .map(({ home, instead }) => ({
        path: file.path,
        line,
        message: `imports ${specifier}, which stays in ${home}/; use ${instead}`,
      })),
  );
}

function isMember(object: string, member: string): (node: ts.Node) => boolean {
  return (node) =>
    ts.isPropertyAccessExpression(node) &&
    node.name.text === member &&
    new RegExp(`^(globalThis\\.)?${object}$`).test(node.expression.getText());
}

const timers = new Set(['setTimeout', 'setInterval', 'setImmediate']);

/** A call or a mention by name, and the timers module. */
function isTimer(node: ts.Node): boolean {
  if (ts.isImportDeclaration(node))
    return /^['"](node:)?timers/.test(node.moduleSpecifier.getText());
  if (!ts.isIdentifier(node) || !timers.has(node.text)) return false;
  return !ts.isImportSpecifier(node.parent) && !ts.isPropertyAssignment(node.parent);
}

function isDefaultExport(node: ts.Node): boolean {
  if (ts.isExportAssignment(node)) return node.isExportEquals !== true;
  if (ts.isExportSpecifier(node)) return node.name.text === 'default';
  return (
    ts.canHaveModifiers(node) &&
    (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword)
  );
}

/** The linter's own exception with a reason, on the line before. */
function isExplained(node: ts.Node, tree: ts.SourceFile): boolean {
  const before = tree.text.split('\n')[lineOf(tree, node.getStart(tree)) - 2] ?? '';
  return /biome-ignore lint\/suspicious\/noExplicitAny: \S/.test(before);
}
