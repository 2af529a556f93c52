// Every TypeScript file of the project, parsed, with its imports. Paths are relative to the root, with slashes.

import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import ts from 'typescript';

export interface ImportStatement {
  /** As written. */
  readonly specifier: string;
  /** The file of ours it means; undefined for packages. */
  readonly target: string | undefined;
  readonly line: number;
}

export interface SourceFile {
  readonly path: string;
  /** The first folder, '' for files in the root. */
  readonly folder: string;
  /** Tests and what only tests use. */
  readonly isTest: boolean;
  readonly tree: ts.SourceFile;
  readonly imports: readonly ImportStatement[];
}

export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

const skippedFolders = new Set(['node_modules', 'dist', 'coverage', 'test-results']);

export function projectFiles(root: string): SourceFile[] {
  return typescriptPaths(root, '').map((path) =>
    parse(path, readFileSync(`${root}/${path}`, 'utf8')),
  );
}

export function parse(path: string, text: string): SourceFile {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  return {
    path,
    folder: path.includes('/') ? path.slice(0, path.indexOf('/')) : '',
    isTest: /\.test\.ts$|^test\/|\/testing\//.test(path),
    tree,
    imports: importsOf(path, tree),
  };
}

export function lineOf(tree: ts.SourceFile, position: number): number {
  return tree.getLineAndCharacterOfPosition(position).line + 1;
}

export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

function typescriptPaths(root: string, folder: string): string[] {
  return readdirSync(`${root}/${folder}`, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('.') || skippedFolders.has(entry.name)) return [];
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) return typescriptPaths(root, path);
    return /\.tsx?$/.test(entry.name) ? [path] : [];
  });
}

function importsOf(path: string, tree: ts.SourceFile): ImportStatement[] {
  const imports: ImportStatement[] = [];
  walk(tree, (node) => {
    const specifier = specifierOf(node);
    if (specifier === undefined) return;
    const target = specifier.text.startsWith('.')
      ? posix.join(posix.dirname(path), specifier.text)
      : undefined;
    imports.push({
      specifier: specifier.text,
      target: target !== undefined && /\.tsx?$/.test(target) ? target : undefined,
      line: lineOf(tree, specifier.getStart(tree)),
    });
  });
  return imports;
}

/** import … from, export … from, import(…), and the type import('…'). */
function specifierOf(node: ts.Node): ts.StringLiteralLike | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
    return literal(node.moduleSpecifier);
  }
  if (ts.isImportTypeNode(node)) {
    return ts.isLiteralTypeNode(node.argument) ? literal(node.argument.literal) : undefined;
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return literal(node.arguments[0]);
  }
  return undefined;
}

function literal(node: ts.Node | undefined): ts.StringLiteralLike | undefined {
  return node !== undefined && ts.isStringLiteralLike(node) ? node : undefined;
}
