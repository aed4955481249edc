import type { Model } from '../ir/model.js';
import { word } from '../options/types.js';
import { TIES } from '../options/words.js';
import type { PassContext } from './pass.js';
import { definePass } from './pipeline.js';
import { findLinears, type Linears } from './sites/find.js';
import type { Tie } from './sites/weight-identity.js';

const NOTE = 'linears';

interface Note {
  readonly model: Model;
  readonly linears: Linears;
  readonly tie: Tie;
}

/** Finds the linear layers and their module paths, and keeps them for the passes that follow. Changes nothing. */
export const resolveNames = definePass({
  name: 'resolve-names',
  summary: 'find linear layers, their module paths and which of them hold one weight',
  options: {
    tie: { type: word('tie', TIES), default: 'content', doc: 'which equal weights are one layer' },
  },
  run(model, { tie }, ctx) {
    const linears = findLinears(model, { tie });
    ctx.notes.set(NOTE, { model, linears, tie } satisfies Note);
    ctx.stat('layers', linears.sites.length);
    ctx.stat('refused', linears.refused.length);
    return 'unchanged';
  },
});

/** The result of resolve-names in this run, if it is still valid; it is removed, so that it is used once. */
export function takeLinears(model: Model, tie: Tie, ctx: PassContext): Linears | undefined {
  const note = ctx.notes.get(NOTE) as Note | undefined;
  ctx.notes.delete(NOTE);
  if (note?.model !== model || note.tie !== tie) return undefined;
  const current = note.linears.candidates.every(
    ({ node, input, operand }) => node.graph !== null && node.inputs[input] === operand,
  );
  return current ? note.linears : undefined;
}
