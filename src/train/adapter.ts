import { PLAN_KEY } from '../adapter/saved-plan.js';
import { otherPlan } from '../ir/codes/adapters.js';
import { badRun, fixedHere } from '../ir/codes/train.js';
import { fail } from '../ir/diagnostics.js';
import { readSafetensors } from '../ir/files/safetensors.js';
import { parsePlan, samePlan } from '../passes/plan/plan.js';
import type { TrainingRun } from './run.js';

/**
 * Puts the parameters of an adapter file in place of those of a training directory. Throws LOTR8212 when it lacks one,
 * LOTR8231 when it holds weights that the graphs of the directory keep as in the base, LOTR3313 when it was made by another
 * plan than the directory.
 */
export function takeAdapter(run: TrainingRun, file: string): void {
  const { tensors, metadata } = readSafetensors(file);
  const wanted = new Map(run.signature.params.map(({ name, shape }) => [name, shape]));
  const slots = run.signature.optimizer.slots;
  const fixed = [...tensors.keys()].filter((name) => {
    const cut = name.lastIndexOf('/');
    return !wanted.has(name) && !(wanted.has(name.slice(0, cut)) && slots.includes(name.slice(cut + 1)));
  });
  for (const [name, shape] of wanted) {
    if (`${tensors.get(name)?.shape}` !== `${shape}`)
      fail(badRun({ file, why: `it has no tensor "${name}" of shape [${shape.join(',')}]` }));
  }
  const [mine, theirs] = [run.metadata[PLAN_KEY], metadata[PLAN_KEY]];
  if (mine !== undefined && theirs !== undefined && !samePlan(parsePlan(mine), parsePlan(theirs)))
    fail(otherPlan({ file, what: 'the training directory' }));
  if (fixed.length > 0) fail(fixedHere({ file, names: fixed }));
  run.load(new Map([...wanted.keys()].map((name) => [name, tensors.get(name)!])));
}
