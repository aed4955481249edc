import { defineCode } from '../diagnostics.js';
import { listed } from './listed.js';

/** Diagnostics 73xx: adapters of other programs and a model. */

interface Misplaced {
  /** what the adapter calls it */
  readonly module: string;
  readonly why: string;
  /** names in the model that are like it */
  readonly near: readonly string[];
}

export const noForeignPlace = defineCode<
  Misplaced & { file: string; what: 'layer' | 'parameter'; more: readonly Misplaced[] }
>({
  code: 'LOTR7301',
  severity: 'error',
  title: 'a module of the adapter has no place in the model',
  explain:
    'Adapters of PEFT and of other programs name modules of a PyTorch model. lotrc looks for layers of the same module path, or ' +
    'of a path that ends in it, or that it ends in, since programs and exporters add and drop wrappers in front. Every module must ' +
    'have exactly one place, of the same extents; an adapter on some of its layers only computes something else. ' +
    '--module-map FROM=TO replaces the beginning FROM of names of the adapter by TO.',
  make: ({ module, why, near, file, what, more }) => ({
    message:
      `no place for ${what} "${module}" of the adapter: ${why}` +
      (near.length > 0 ? `; the nearest are ${near.map((one) => `"${one}"`).join(', ')}` : '') +
      (more.length > 0 ? `; nor for ${listed(more.map((other) => `"${other.module}"`))}` : ''),
    at: { kind: 'file', file },
    hint: 'compare with the module paths of `lotrc inspect MODEL`, and give --module-map FROM=TO where names differ',
  }),
});

export const uselessModuleMap = defineCode<{ from: string; file: string; near: readonly string[] }>({
  code: 'LOTR7302',
  severity: 'error',
  title: 'an entry of --module-map fits nothing',
  explain:
    'Each FROM=TO of --module-map replaces FROM where it is the beginning of a name, in whole segments between dots. An entry ' +
    'that fits no name is a mistake in it.',
  make: ({ from, file, near }) => ({
    message:
      `--module-map "${from}" is the beginning of no name` +
      (near.length > 0 ? `; there are ${near.map((one) => `"${one}"`).join(', ')}` : ''),
    at: { kind: 'file', file },
    hint: 'FROM is what is read calls it, TO what is written calls it',
  }),
});

export const foreignLayersLeftOut = defineCode<{
  file: string;
  modules: readonly { readonly module: string; readonly why: string }[];
}>({
  code: 'LOTR7303',
  severity: 'warning',
  title: 'the configuration of an adapter leaves out modules that its weights hold',
  explain:
    'PEFT adapts the modules that its configuration chooses (target_modules, exclude_modules, layers_to_transform), and ignores ' +
    'matrices of others in the weights file. lotrc does the same.',
  make: ({ file, modules }) => ({
    message:
      `${modules.length} ${modules.length === 1 ? 'module' : 'modules'} of the weights file ` +
      `${modules.length === 1 ? 'is' : 'are'} left out, as PEFT does: ` +
      `${listed(modules.map(({ module, why }) => `"${module}" (${why})`))}`,
    at: { kind: 'file', file },
    hint: 'mend target_modules in adapter_config.json where they should count',
  }),
});

export const otherGraph = defineCode<{ file: string; method: string }>({
  code: 'LOTR7304',
  severity: 'error',
  title: 'the inputs of the model are not those of LoRA',
  explain:
    'A LoRA adapter can be made for the graph inputs of a model whose adapters are LoRA with two factors per layer. The factors ' +
    'of other methods are shared by layers, or say something else.',
  make: ({ file, method }) => ({
    message: `the adapters of the model are of ${method}, and the file holds LoRA matrices`,
    at: { kind: 'file', file },
    hint: 'make the graph with `lotrc apply BASE ADAPTER --factors optional`, or with `lotrc rewrite --method lora`',
  }),
});

export const notWithin = defineCode<{ shape: string; rank: number; bound: number; tolerance: number }>({
  code: 'LOTR7501',
  severity: 'error',
  title: 'adapters cannot be compressed to the tolerance',
  explain:
    '`lotrc compress` looks for one R and one L for all layers of a shape. Adapters that were trained apart need not have a common ' +
    'space of small dimension; the rank is at most the smaller extent of the layers, and 256 for wide ones.',
  make: ({ shape, rank, bound, tolerance }) => ({
    message: `the layers of ${shape} are within ${bound.toPrecision(3)} at rank ${rank}, not ${tolerance}`,
    hint: 'give a larger --tolerance, or compress adapters that were trained from the same start',
  }),
});

export const badFleet = defineCode<{ file: string; why: string }>({
  code: 'LOTR7502',
  severity: 'error',
  title: 'a compressed adapter and its shared file do not belong together',
  explain:
    '`lotrc compress` writes the factors that all adapters share into shared.safetensors, and a file of cores for each. The cores ' +
    'hold digests of the shared factors, so that they are not read with those of another fleet.',
  make: ({ file, why }) => ({
    message: `the compressed adapter cannot be read: ${why}`,
    at: { kind: 'file', file },
    hint: 'keep the files of one `lotrc compress` together in one folder',
  }),
});

export const cannotTruncate = defineCode<{ file: string; why: string }>({
  code: 'LOTR7503',
  severity: 'error',
  title: 'an adapter cannot be made smaller',
  explain:
    '`lotrc compress ADAPTER --to-parameters N` takes a LoTR adapter, or a model with one, to a smaller rank. Other methods have no cores ' +
    'between factors that layers share. Of every rank there is one number of trained values: N must lie between those of rank 1 and of the adapter.',
  make: ({ file, why }) => ({
    message: `the adapter cannot be made smaller: ${why}`,
    at: { kind: 'file', file },
    hint: '`lotrc inspect MODEL --json` shows method, ranks and layers',
  }),
});

export const cannotCombine = defineCode<{ why: string; hint: string }>({
  code: 'LOTR7601',
  severity: 'error',
  title: 'adapters cannot be combined',
  explain:
    '`lotrc combine` adds the updates of adapters, layer by layer. `cat` joins the matrices, exactly, at the sum of the ranks; ' +
    '`linear` adds A and B by themselves and needs equal ranks; `svd`, `ties` and `dare` add the updates and keep the ' +
    'leading singular vectors.',
  make: ({ why, hint }) => ({ message: `cannot combine the adapters: ${why}`, hint }),
});
