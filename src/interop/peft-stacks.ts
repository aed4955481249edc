import { LORA } from '../adapter/methods/lora.js';
import { badPeft } from '../ir/codes/files.js';
import { fail } from '../ir/diagnostics.js';
import type { TensorData } from '../ir/tensor.js';
import type { ForeignStack } from './foreign.js';
import { matrixExtents } from './matrices.js';
import type { PeftConfig } from './peft-config.js';
import type { PeftParts } from './peft-module.js';

/** What PEFT puts after a module for each adapter around another one. */
const AROUND = /(?:\.base_layer)+$/;
const PARTS = ['lora_A.weight', 'lora_B.weight'] as const;

/**
 * LoRA of parameters (`target_parameters`), among them matrices of experts in one tensor. PEFT nests the adapters of one module, in the
 * order in which the module has its parameters, which the file does not say: `experts.lora_A`, `experts.base_layer.lora_A`. Modules
 * that are not of this kind are left in `layers`; a parameter that is the weight of a module is put there too.
 */
export function takeStacks(
  layers: Map<string, PeftParts>,
  config: PeftConfig,
  file: string,
): readonly ForeignStack[] {
  const targets = config.texts('target_parameters');
  if (targets.length === 0) return [];
  const chosen = config.get('target_modules') === null ? () => true : config.unchosen;
  const nested = new Map<string, { readonly parameters: readonly string[]; readonly levels: PeftParts[] }>();
  for (const [name, parts] of [...layers]) {
    const module = name.replace(AROUND, '');
    if (chosen(module) === null) continue;
    const parameters = targets.flatMap((target) => {
      const cut = target.lastIndexOf('.');
      const owner = target.slice(0, Math.max(cut, 0));
      const here = owner === '' || module === owner || module.endsWith(`.${owner}`);
      return here ? [target.slice(cut + 1)] : [];
    });
    if (parameters.length === 0) continue;
    layers.delete(name);
    const held = nested.get(module) ?? { parameters: [...new Set(parameters)], levels: [] };
    nested.set(module, held);
    held.levels.push(parts);
  }
  const alphaOf = config.perModule('alpha_pattern', config.number('lora_alpha'));
  const rankOf = config.perModule('rank_pattern', config.number('r'));
  const scaling = config.get('use_rslora') === true ? 'sqrt-rank' : 'rank';
  return [...nested].flatMap(([module, { parameters, levels }]): readonly ForeignStack[] => {
    const wrong = (why: string): never => fail(badPeft({ file, why: `module "${module}" ${why}` }));
    if (parameters.join() === 'weight' && levels.length === 1) {
      layers.set(module, levels[0]!);
      return [];
    }
    return [
      {
        module,
        parameters: parameters.map((name) => {
          const key = `${module}.${name}`;
          return { name, rank: rankOf(key), spec: { ...LORA, scale: alphaOf(key), scaling } };
        }),
        pairs: levels.map((parts) => {
          const [a, b] = PARTS.map((part) => matrixOf(parts, part, wrong)) as [TensorData, TensorData];
          if (matrixExtents(b)[1] !== matrixExtents(a)[0])
            wrong(
              `has lora_B and lora_A of the shapes [${b.shape}] and [${a.shape}], which do not fit together`,
            );
          return { a, b };
        }),
        squares: squaresOf(config),
      },
    ];
  });
}

function matrixOf(parts: PeftParts, part: string, wrong: (why: string) => never): TensorData {
  const data = parts.get(part) ?? wrong(`has no ${part}`);
  return data.shape.length === 2 && data.byteLength > 0 ? data : wrong(`has ${part} [${data.shape}]`);
}

/** Which side A is on where both have one extent: from 0.19 on PEFT looks at how a module reads its matrices. */
function squaresOf(config: PeftConfig): ForeignStack['squares'] {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(String(config.get('peft_version'))) ?? [];
  const since = major !== undefined && (Number(major) > 0 || Number(minor) >= 19);
  return since ? 'in of (out, in)' : 'unknown';
}
