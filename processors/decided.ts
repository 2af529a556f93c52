// What has been decided about a model so far, and whether one more command may be obeyed. Pure: the owner keeps the result in
// its store, anybody else can fold the decisions on `models` to the same.

import {
  generationOf,
  type ModelAlias,
  type ModelCommand,
  type ModelDecision,
} from '../schemas/index.ts';

export interface AliasState {
  readonly version: string | null;
  /** The newest decision that set it. */
  readonly number: number;
}

export interface Decided {
  /** Of the newest decision, refused ones too; 0 before the first. */
  readonly number: number;
  readonly aliases: Readonly<Partial<Record<ModelAlias, AliasState>>>;
  /** What the champion has replaced: where a rollback goes that names nothing. */
  readonly replaced: string | null;
  /** By which decision; null while it learns. */
  readonly pinnedBy: number | null;
  /** Every generation that has been champion → the number of the next id to mint when it began. */
  readonly births: Readonly<Record<string, number>>;
  /** By the newest prune: a reader of `models` may not have heard of it yet. */
  readonly pruned?: readonly string[];
}

export const nothingDecided: Decided = {
  number: 0,
  aliases: {},
  replaced: null,
  pinnedBy: null,
  births: {},
};

export function afterDecision(before: Decided, decision: ModelDecision): Decided {
  const { number, alias, action, outcome, version, previous } = decision;
  if (outcome === 'refused') return { ...before, number };
  const aliases = { ...before.aliases, [alias]: { version, number } };
  if (action === 'prune') return { ...before, number, pruned: decision.pruned ?? [] };
  if (action === 'pin') return { ...before, number, aliases, pinnedBy: number };
  if (action === 'unpin') return { ...before, number, aliases, pinnedBy: null };
  const replaced = alias === 'champion' ? previous : before.replaced;
  return { ...before, number, aliases, replaced };
}

export function aliasOf({ command, alias }: Pick<ModelCommand, 'command' | 'alias'>): ModelAlias {
  return command === 'alias' ? alias! : 'champion';
}

/** Which version a command is about; null when it is about none. */
export function versionAsked(
  { command, version = null }: ModelCommand,
  { replaced }: Decided,
): string | null {
  return command === 'rollback' ? (version ?? replaced) : version;
}

/** Why a command is not obeyed, as far as that can be said without its version. @param current version, if there is one */
export function refusalOf(
  command: ModelCommand,
  decided: Decided,
  current: string | undefined,
): string | undefined {
  const { command: name, expected } = command;
  const alias = aliasOf(command);
  const newest = decided.aliases[alias]?.number ?? 0;
  if (expected !== undefined && expected !== newest) {
    return `decision ${newest} about ${alias} is newer than ${expected}`;
  }
  if (name === 'alias' || name === 'prune') return undefined;
  if (name === 'unpin') return decided.pinnedBy === null ? 'the model is not pinned' : undefined;
  if (decided.pinnedBy !== null) {
    return `the model is pinned by decision ${decided.pinnedBy}; unpin it first`;
  }
  if (current === undefined) return name === 'promote' ? undefined : 'there is no model yet';
  if (name === 'rollback') return rollbackRefusal(command, decided);
  return name === 'promote'
    ? (promotionRefusal(command.version!, decided, current) ?? verdictRefusal(command, decided))
    : undefined;
}

function rollbackRefusal(command: ModelCommand, decided: Decided): string | undefined {
  const version = versionAsked(command, decided);
  if (version === null) return 'the champion has replaced nothing';
  if (generationOf(version) in decided.births) return undefined;
  return `version ${version} has never been champion; promote it instead`;
}

/** What was compared must still be what stands beside the champion. */
function verdictRefusal({ version, judged }: ModelCommand, { aliases }: Decided) {
  const shadow = aliases.shadow;
  if (judged === undefined || (shadow?.number === judged && shadow.version === version)) {
    return undefined;
  }
  return `version ${version} was compared as the shadow of decision ${judged}, and decision ${shadow?.number ?? 0} has pointed it at ${shadow?.version ?? 'nothing'}`;
}

/** A generation has one life: going back needs a version of its own. */
function promotionRefusal(
  version: string,
  { births }: Decided,
  current: string,
): string | undefined {
  const generation = generationOf(version);
  if (generation === generationOf(current)) return `generation ${generation} is champion already`;
  if (!(generation in births)) return undefined;
  return `generation ${generation} has been champion before; roll back to it instead`;
}
