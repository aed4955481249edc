import { runDiffers } from '../ir/codes/train.js';
import { fail } from '../ir/diagnostics.js';
import type { Signature } from './signature.js';

/** Metadata of a checkpoint: how each trained parameter learns that does not learn as the run does. */
const KEY = 'lotrc.groups';

type Groups = Pick<Signature, 'params' | 'changes' | 'rates'>;

/** What is added to the metadata of a checkpoint. */
export function groupsEntry(signature: Groups): Readonly<Record<string, string>> {
  return { [KEY]: JSON.stringify(Object.fromEntries(settingsOf(signature))) };
}

/** Throws LOTR8211 when parameters learnt in another way before the checkpoint; older versions did not note how. */
export function requireGroups(
  file: string,
  metadata: Readonly<Record<string, string>>,
  signature: Groups,
): void {
  const text = metadata[KEY];
  const now = groupsEntry(signature)[KEY]!;
  if (text === undefined || text === now) return;
  const held = new Map(Object.entries(readable(text)));
  const own = settingsOf(signature);
  const what = [...new Set([...held.keys(), ...own.keys()])].flatMap((name) => {
    const [before, after] = [held.get(name), own.get(name)].map((given) =>
      given === undefined ? 'as the run' : JSON.stringify(given),
    );
    return before === after ? [] : [`${JSON.stringify(name)} learnt ${before}, and now ${after}`];
  });
  fail(runDiffers({ folder: file, what: what.length > 0 ? what.slice(0, 3) : ['its groups of parameters'] }));
}

function settingsOf({ params, changes = [], rates = [] }: Groups): Map<string, object> {
  const settings = new Map<string, object>();
  const rows = [...params.filter(({ trainable }) => trainable), ...changes];
  for (const { name, lrMultiplier, weightDecay, rate } of rows) {
    const { lr, schedule } = rates[rate ?? -1] ?? {};
    const own = { lr, lrMultiplier: lrMultiplier === 1 ? undefined : lrMultiplier, weightDecay, schedule };
    if (Object.values(own).some((value) => value !== undefined)) settings.set(name, own);
  }
  return settings;
}

function readable(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
