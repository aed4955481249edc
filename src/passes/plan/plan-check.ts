import type { AdapterSpec } from '../../adapter/description.js';
import { descriptionFault, specCheck } from '../../adapter/description-check.js';
import {
  extent,
  faultText,
  fits,
  flag,
  list,
  nullable,
  object,
  oneOf,
  optional,
  text,
  texts,
  whole,
} from '../../adapter/fields.js';
import type { PlanRow, WeightRow } from '../../adapter/saved-plan.js';

const use = object({
  node: text,
  output: text,
  op: text,
  weight: text,
  digest: text,
  layout: oneOf('io', 'oi'),
  transposed: flag,
});

const row = object({
  spec: specCheck,
  share: text,
  carry: oneOf('embedded', 'inputs', 'optional'),
  lowering: oneOf('fold', 'token', 'dense', 'function'),
  seed: whole,
  residual: optional(flag),
  factorDType: optional(oneOf('f16', 'bf16')),
  groups: list(object({ id: text, in: extent, out: extent, rank: extent, factors: texts })),
  sites: list(
    object({
      id: text,
      modulePath: nullable(text),
      nameFrom: text,
      aliases: list(text),
      group: text,
      factors: texts,
      uses: fits('a list', Array.isArray),
    }),
  ),
});

const weight = object({
  name: text,
  shape: list(whole),
  places: list(object({ tensor: text, digest: text, transposed: flag })),
});

/** What is wrong with a row of a plan's trained weights, or null. */
export function faultOfWeight(value: unknown): string | null {
  const fault = weight(value);
  if (fault) return `a trained weight ${faultText(fault)}`;
  const { name, places } = value as WeightRow;
  if (places[0]?.tensor !== name || places[0].transposed)
    return `trained weight "${name}" has no place of its own`;
  return null;
}

/**
 * What stands twice in the rows of a plan, or null: a group of a row, a layer, a node of a layer (found by its output), or
 * a factor of the method. Passes take each of them once.
 */
export function faultOfRepeats(rows: readonly PlanRow[]): string | null {
  const [sites, outputs] = [new Set<string>(), new Set<string>()];
  for (const { spec: method, groups, sites: own } of rows) {
    const group = repeated(groups.map(({ id }) => id));
    if (group !== null) return `group "${group}" is in it twice`;
    const factor = repeated(method.factors.map(({ name }) => name));
    if (factor !== null) return `factor "${factor}" is in it twice`;
    for (const { id, uses } of own) {
      if (sites.has(id)) return `site "${id}" is in it twice`;
      sites.add(id);
      for (const { output } of uses) {
        if (outputs.has(output)) return `the layer that delivers "${output}" is in it twice`;
        outputs.add(output);
      }
    }
  }
  return null;
}

function repeated(names: readonly string[]): string | null {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return null;
}

/**
 * What is wrong with a row of a saved plan, which came out of JSON that anyone may have written, or null: later passes
 * rely on every type in it. References from sites to groups are not looked at.
 */
export function faultOfRow(value: unknown): string | null {
  const wrong = row(value);
  if (wrong) return `a plan ${faultText(wrong)}`;
  const { spec, sites } = value as {
    spec: AdapterSpec;
    sites: readonly { id: string; uses: readonly unknown[] }[];
  };
  const unusable = descriptionFault(spec);
  if (unusable) return `its method ${spec.method} cannot be used: ${unusable.why}`;
  for (const { id, uses } of sites) {
    if (uses.length === 0) return `site "${id}" has no use`;
    const fault = list(use)(uses);
    if (fault) return `site "${id}" is incomplete: its uses: ${faultText(fault)}`;
  }
  return null;
}
