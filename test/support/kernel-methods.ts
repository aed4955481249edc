import type { AdapterSpec, FactorSpec } from '../../src/adapter/description.js';
import { VERA } from '../../src/adapter/methods/vera.js';

type Described = Pick<AdapterSpec, 'method' | 'delta' | 'factors' | 'extents'>;

/** A description with factors of these shares, all trained, in the order of its einsum. */
function described(
  delta: string,
  shares: readonly FactorSpec['share'][],
  more: Pick<Described, 'extents'> & { readonly slice?: readonly string[] } = {},
): Described {
  const { slice = [], ...rest } = more;
  const factors = shares.map(
    (share, k): FactorSpec => ({
      name: 'ABCDE'[k]!,
      share,
      init: k === shares.length - 1 ? 'zeros' : 'ones',
      mode: 'trainable',
      lrMultiplier: 1,
      ...(slice.includes('ABCDE'[k]!) ? { slice: true } : {}),
    }),
  );
  return { method: 'own', delta, factors, ...rest };
}

/** Einsums of every kind that kernels compute, beside those of LoRA and LoTR, with different ways to share. */
export const KERNEL_METHODS: readonly Described[] = [
  VERA,
  // four matrices, and factors that some layers of a region share
  described('ir,rs,su,uo->io', ['model', 'layer', 'type', 'model'], { extents: { s: 4, u: 2 } }),
  described('ir,rs,st,to->io', ['group', 'site', 'group', 'group']),
  // each core and each last factor of its own, as LoRA-XS and MoSLoRA
  described('ir,rs,so->io', ['site', 'site', 'site']),
  described('ir,ro->io', ['site', 'group']),
  // a diagonal before the matrix that x is multiplied by, all of leading parts
  described('i,ir,ro,o->io', ['site', 'group', 'group', 'site'], { slice: ['B', 'C'] }),
  // two axes between the sides, of which the first is made of two factors
  described('ir,ro,is,so->io', ['group', 'group', 'group', 'site'], { extents: { s: 2 } }),
  described('ir,rsk,k,so->io', ['model', 'model', 'site', 'model'], { extents: { k: 2 } }),
  // no axis between them, and matrices stored the other way around
  described('i,o->io', ['site', 'group']),
  described('ri,or->io', ['group', 'site']),
];
