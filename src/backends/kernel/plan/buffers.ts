import { type Letters, operandsOf } from '../../../adapter/terms.js';
import {
  type AdaptedLayer,
  type AdaptedLayers,
  type Group,
  type LayerRegion,
  variesBySite,
} from '../model/layers.js';
import type {
  Block,
  BufferPlan,
  Epilogue,
  Extent,
  KernelDtype,
  Launch,
  MatrixRef,
  Operand,
} from '../model/types.js';
import { bufferName } from './buffer-names.js';
import { buffersOf, dense, plain, type Target } from './launches.js';
import { ADAPTERS, denseStrides, type Lettered, SITES } from './lettered.js';
import { packedMatrix } from './packed-buffers.js';
import { ownOf } from './padded-ranks.js';

/** Which adapter each row block, or each row, belongs to, when there are several in a batch. */
export const ROW_TABLE = 'rowAdapter';

/**
 * Names and shapes of the buffers of a plan. Numbers in names: regions (x_0, P_0), layers (y_3, W_3) and groups (R_1) in
 * the order of the contraction. The factors of a group lie stacked in one buffer per factor, site after site, so that the
 * weight-space products over all sites are single launches; one that layers of other groups may read has a buffer of its own.
 * A buffer is created when it is first used.
 */
export class Buffers {
  readonly #plans = new Map<string, BufferPlan>();
  readonly #regions: ReadonlyMap<LayerRegion, number>;
  readonly #layers: ReadonlyMap<AdaptedLayer, number>;
  /** a tied weight is one buffer: the number of its first layer */
  readonly #weights = new Map<string, number>();
  readonly #groups: ReadonlyMap<string, { readonly group: Group; readonly index: number }>;
  /** buffers of tensors that layers of several groups may read */
  readonly #wide = new Map<string, string>();

  constructor(
    contraction: AdaptedLayers,
    readonly target: Target,
    readonly adapters: number,
    readonly purpose: 'train' | 'serve',
  ) {
    const { regions, groups } = contraction;
    this.#regions = new Map(regions.map((region, index) => [region, index]));
    this.#layers = new Map(regions.flatMap(({ layers }) => layers).map((layer, index) => [layer, index]));
    for (const [{ weight }, index] of this.#layers) {
      if (!this.#weights.has(weight)) this.#weights.set(weight, index);
    }
    this.#groups = new Map(groups.map((group, index) => [group.id, { group, index }]));
    for (const [index, group] of groups.entries()) {
      for (const [k, { share, tensors }] of group.factors.entries()) {
        if (share === 'site' || share === 'group') continue;
        for (const [n, tensor] of tensors.entries()) {
          const name = `${bufferName(group, k)}_${index}${tensors.length > 1 ? `_${n}` : ''}`;
          if (!this.#wide.has(tensor)) this.#wide.set(tensor, name);
        }
      }
    }
  }

  /** x, dx (M, in) of a region's input. */
  ofInput(kind: 'x' | 'dx', region: LayerRegion): MatrixRef {
    return this.#tokens(`${kind}_${region.input}`, region.in, region.x);
  }

  /** P, dP (M, r for each first factor) of a region. */
  ofRegion(kind: 'P' | 'dP', region: LayerRegion): MatrixRef {
    return this.#tokens(`${kind}_${this.number(region)}`, region.downs.length * region.rank);
  }

  /** What x is multiplied by: a factor or what is computed of some, or factors of all layers side by side (in, r for each). */
  down(region: LayerRegion): Operand {
    const [layer] = region.layers as readonly [AdaptedLayer];
    if (!layer.beside) return this.#side(layer, 'down');
    const cols = region.downs.length * region.rank;
    const shape = [this.adapters * region.in, cols];
    const { factors, form } = this.groupOf(region.group);
    const own = ownOf(factors[form.down.bare!]!.own);
    const name = this.#besides({ name: this.#besideName(region), shape, from: region.downs, ...own });
    return this.#ofAdapter(dense(name, this.target.dtype, region.in, cols));
  }

  /** Gradient of what x is multiplied by, laid out as that is. */
  downGradient(region: LayerRegion): MatrixRef {
    const [layer] = region.layers as readonly [AdaptedLayer];
    if (!layer.beside) return this.#sideSums(layer, 'down');
    this.down(region); // this creates the buffer whose gradient is returned
    const cols = region.downs.length * region.rank;
    const { form } = this.groupOf(region.group);
    return this.#gradientOf(this.#besideName(region), [region.in, cols], region.group, form.down.bare!);
  }

  /** Every such factor is in one such buffer, which has the number of the first factor in it. */
  #besideName(region: LayerRegion): string {
    const { group, index } = this.#groups.get(region.group)!;
    const down = group.form.down.bare!;
    return `${bufferName(group, down)}_${index}_${group.factors[down]!.tensors.indexOf(region.downs[0]!)}`;
  }

  groupOf(id: string): Group {
    return this.#groups.get(id)!.group;
  }

  /** Number of a group in buffer names. */
  groupNumber(id: string): number {
    return this.#groups.get(id)!.index;
  }

  #ofAdapter(matrix: MatrixRef): Operand {
    if (this.adapters === 1) return plain(matrix);
    const stride = Number(matrix.rows) * Number(matrix.cols);
    return { ...plain(matrix), perRowBlock: { table: this.#rowTable(), stride, count: this.adapters } };
  }

  /** T = P [M_1 M_2 ...] of a region: (M, layers * columns of M). */
  cores(region: LayerRegion): MatrixRef {
    return this.#tokens(`T_${this.number(region)}`, region.layers.length * this.#core(region).cols);
  }

  /** The factor between P and the last one, and its columns. */
  #core(region: LayerRegion): { readonly middle: number; readonly cols: number } {
    const [middle] = this.groupOf(region.group).form.core!;
    return { middle, cols: this.groupOf(region.group).factors[middle]!.shape[1]! };
  }

  number(region: LayerRegion): number {
    return this.#regions.get(region)!;
  }

  /** y, dy (M, out) of a layer. */
  ofLayer(kind: 'y' | 'dy', layer: AdaptedLayer): MatrixRef {
    const { fusedOutput, biasedOutput } = layer;
    const value = this.purpose === 'serve' ? fusedOutput : biasedOutput;
    return this.#tokens(`${kind}_${this.#layers.get(layer)!}`, layer.out, value);
  }

  /** y (M, out) of a layer before its activation. */
  beforeActivation(layer: AdaptedLayer): MatrixRef {
    return this.#tokens(`yb_${this.#layers.get(layer)!}`, layer.out, layer.biasedOutput);
  }

  /** W as (in, out), however it is stored. */
  weight(layer: AdaptedLayer): Operand {
    const io = layer.weightStored === 'io';
    const [rows, cols] = io ? [layer.in, layer.out] : [layer.out, layer.in];
    const number = this.#weights.get(layer.weight)!;
    if (layer.packed) {
      const { matrix, buffers } = packedMatrix(layer, layer.packed, number, this.target);
      for (const buffer of buffers) this.add(buffer);
      return { matrix, transposed: true };
    }
    const name = `W_${number}`;
    const { dtype } = this.target;
    this.add({ name, dtype, shape: [rows, cols], life: 'weight', from: [layer.weight] });
    return { matrix: dense(name, dtype, rows, cols), transposed: !io };
  }

  /** W' = W + s R M L, stored as W is. */
  merged(layer: AdaptedLayer): Operand {
    const { matrix, transposed } = this.weight(layer);
    const buffer = `Wm_${this.#weights.get(layer.weight)!}`;
    this.add({ name: buffer, dtype: matrix.dtype, shape: [matrix.rows, matrix.cols], life: 'step' });
    return { matrix: { ...matrix, buffer }, transposed };
  }

  /**
   * [[W, R], [L', 0]] of a layer, (in + r^) x (out + r^): W and its adapter as one matrix whose parts a library multiplies.
   * R, of every layer where each has its own, and B where it is not computed are copies in it that are made again when a factor
   * changes. Only the first layer is multiplied by all of dP and therefore needs the R of other layers.
   */
  bordered(region: LayerRegion, layer: AdaptedLayer): MatrixRef {
    const { in: inn, out, rank } = layer;
    const { up } = this.groupOf(layer.group).form;
    const room = borderOf(region);
    const [rows, cols] = [inn + room, out + room];
    const name = `Wb_${this.#weights.get(layer.weight)!}`;
    const down = this.down(region).matrix;
    const downs = region.downs.length;
    const all = downs === 1 || layer === region.layers[0];
    const at = inn + region.downs.indexOf(layer.down) * rank;
    const blocks: Block[] = [
      {
        row: 0,
        col: 0,
        rows: inn,
        cols: out,
        tensor: layer.weight,
        transposed: layer.weightStored === 'oi',
      },
      ...(all ? [{ row: 0, col: out, rows: inn, cols: downs * rank, copyOf: down }] : []),
      ...(up.bare === null
        ? []
        : [{ row: at, col: 0, rows: rank, cols: out, copyOf: this.#side(layer, 'up').matrix }]),
    ];
    this.add({ name, dtype: this.target.dtype, shape: [rows, cols], life: 'step', blocks });
    return dense(name, this.target.dtype, rows, cols);
  }

  /** x of a region with room for P at the end of every row: (M, in + r^). */
  roomyInput(region: LayerRegion): MatrixRef {
    const border = borderOf(region);
    return this.#tokens(`xb_${this.number(region)}`, region.in + border, region.x, border);
  }

  /** dy of a layer with room for dP: (M, out + r^). */
  roomyGradient(region: LayerRegion, layer: AdaptedLayer): MatrixRef {
    const border = borderOf(region);
    const name = `dyb_${this.#layers.get(layer)!}`;
    return this.#tokens(name, layer.out + border, layer.biasedOutput, border);
  }

  /** Number of a layer in buffer names. */
  layerNumber(layer: AdaptedLayer): number {
    return this.#layers.get(layer)!;
  }

  bias(layer: AdaptedLayer): Pick<Epilogue, 'bias'> {
    if (layer.bias === null) return {};
    const name = `b_${this.#layers.get(layer)!}`;
    const { dtype } = this.target;
    this.add({ name, dtype, shape: [layer.out], life: 'weight', from: [layer.bias] });
    return { bias: { buffer: name, dtype, offset: 0 } };
  }

  /** Factor `k` of a layer as a matrix (rows, cols) of which rows lie `rowStride` apart, in the type of token-space products. */
  factor(layer: AdaptedLayer, k: number, rows: number, cols: number, rowStride: number): Operand {
    const { buffer, offset } = this.#home(layer.group, k, layer.factors[k]!);
    const { dtype } = this.target;
    const matrix = { buffer: this.#inTokens(buffer), dtype, rows, cols, offset, rowStride };
    if (this.adapters === 1) return plain(matrix);
    const stride = this.#sizeOf(buffer) / this.adapters;
    return { ...plain(matrix), perRowBlock: { table: this.#rowTable(), stride, count: this.adapters } };
  }

  /** The last factor of a core (columns of the core, out), for the token form. */
  lastOfCore(region: LayerRegion, layer: AdaptedLayer): Operand {
    const [, last] = this.groupOf(layer.group).form.core!;
    return this.factor(layer, last, this.#core(region).cols, layer.out, layer.out);
  }

  /** [M_1 M_2 ...] of a region side by side (r, layers * columns of M), for the token form. */
  coresBeside(region: LayerRegion): Operand {
    const { middle, cols: each } = this.#core(region);
    const cols = region.layers.length * each;
    const shape = [this.adapters * region.rank, cols];
    const from = region.layers.map(({ factors }) => factors[middle]!);
    const name = this.#besides({ name: `Ms_${this.number(region)}`, shape, from });
    return this.#ofAdapter(dense(name, this.target.dtype, region.rank, cols));
  }

  /**
   * Factors side by side, in f32, and their copy in the type of token space. Adapters and factors begin where a float32
   * may begin, because a 16-bit number in the middle of a word cannot be written alone. Returns the name of the buffer
   * that products read.
   */
  #besides({ name: master, shape, ...rest }: Pick<BufferPlan, 'name' | 'shape' | 'from' | 'own'>): string {
    this.add({ name: master, dtype: 'f32', shape, life: 'step', ...rest, sideBySide: true });
    const { dtype } = this.target;
    if (dtype === 'f32') return master;
    this.add({ name: `${master}_${dtype}`, dtype, shape, life: 'step', copyOf: master });
    return `${master}_${dtype}`;
  }

  /** Factor `k` of a group in weight space, f32: of one site, or of all, along the axis SITES where each has its own. */
  lettered(groupId: string, k: number, site: string | null): Lettered {
    const group = this.groupOf(groupId);
    const { shape, share, tensors } = group.factors[k]!;
    const nth = site === null || share === 'group' || share === 'model' ? 0 : this.#tensorOf(group, k, site);
    const { buffer, offset } = this.#home(groupId, k, tensors[nth]!);
    const size = shape.reduce((all, extent) => all * extent, 1);
    const axes: [string, number][] = operandsOf(group)[k]!.map((letter, axis) => [
      letter,
      shape.slice(axis + 1).reduce((all, extent) => all * extent, 1),
    ]);
    if (site === null && share === 'site') axes.unshift([SITES, size]);
    if (this.adapters > 1) axes.unshift([ADAPTERS, this.#sizeOf(buffer) / this.adapters]);
    return {
      buffer,
      dtype: 'f32',
      offset,
      letters: axes.map(([letter]) => letter),
      strides: axes.map(([, stride]) => stride),
    };
  }

  /** The gradient of factor `k`, laid out as it is. */
  letteredGradient(groupId: string, k: number, site: string | null): Lettered {
    const own = this.lettered(groupId, k, site);
    const shape = this.#plans.get(own.buffer)!.shape;
    return { ...own, buffer: this.#gradientOf(own.buffer, shape, groupId, k).buffer };
  }

  /** The number among the tensors of factor `k` of the one that a site reads. */
  #tensorOf(group: Group, k: number, site: string): number {
    const [layer] = [...this.#layers.keys()].filter((own) => own.site === site && own.group === group.id);
    return group.factors[k]!.tensors.indexOf(layer!.factors[k]!);
  }

  /** The buffer of a tensor of factor `k`, f32, and where the tensor begins in it. */
  #home(groupId: string, k: number, tensor: string): { readonly buffer: string; readonly offset: number } {
    const { group, index } = this.#groups.get(groupId)!;
    const { shape, tensors, own } = group.factors[k]!;
    const wide = this.#wide.get(tensor);
    const from = wide === undefined ? tensors : [tensor];
    const buffer = wide ?? `${bufferName(group, k)}_${index}`;
    const [rows, cols] = [shape.slice(0, -1).reduce((all, extent) => all * extent, 1), shape.at(-1)!];
    const stacked = [this.adapters * from.length * rows, cols];
    this.add({ name: buffer, dtype: 'f32', shape: stacked, life: 'step', from, ...ownOf(own) });
    return { buffer, offset: from.indexOf(tensor) * rows * cols };
  }

  /** The copy of a buffer of factors in the type of token space; the buffer itself in f32. */
  #inTokens(master: string): string {
    const { dtype } = this.target;
    if (dtype === 'f32') return master;
    const { shape } = this.#plans.get(master)!;
    this.add({ name: `${master}_${dtype}`, dtype, shape, life: 'step', copyOf: master });
    return `${master}_${dtype}`;
  }

  #sizeOf(buffer: string): number {
    return this.#plans.get(buffer)!.shape.reduce<number>((all, extent) => all * Number(extent), 1);
  }

  /** A computed side of a group, and its gradient, which is a sum over tokens: of one site or of all, one after another. */
  computed(groupId: string, which: 'down' | 'up', site: string | null): Lettered {
    const dtype = this.target.dtype;
    return this.#ofSites(which === 'up' ? 'Lp' : 'Fp', groupId, which, dtype, site);
  }

  computedSums(groupId: string, which: 'down' | 'up', site: string | null): Lettered {
    return this.#ofSites(which === 'up' ? 'Z' : 'dFp', groupId, which, 'f32', site);
  }

  /** What P is multiplied by: (r, out). */
  up(layer: AdaptedLayer): Operand {
    return this.#side(layer, 'up');
  }

  /** P^T dy: the gradient of what P is multiplied by. */
  sums(layer: AdaptedLayer): MatrixRef {
    return this.#sideSums(layer, 'up');
  }

  #side(layer: AdaptedLayer, which: 'down' | 'up'): Operand {
    const side = this.groupOf(layer.group).form[which];
    const [rows, cols] = sideShape(layer, which);
    if (side.bare !== null)
      return this.factor(layer, side.bare, rows, cols, this.#bareStride(layer, side.bare, which));
    const { buffer, dtype, offset } = this.computed(layer.group, which, layer.site);
    const matrix = dense(buffer, dtype, rows, cols, offset);
    if (this.adapters === 1) return plain(matrix);
    const stride = this.#sizeOf(buffer) / this.adapters;
    return { ...plain(matrix), perRowBlock: { table: this.#rowTable(), stride, count: this.adapters } };
  }

  #sideSums(layer: AdaptedLayer, which: 'down' | 'up'): MatrixRef {
    const side = this.groupOf(layer.group).form[which];
    const [rows, cols] = sideShape(layer, which);
    if (side.bare === null) {
      const { buffer, offset } = this.computedSums(layer.group, which, layer.site);
      return dense(buffer, 'f32', rows, cols, offset);
    }
    const { buffer, offset } = this.#home(layer.group, side.bare, layer.factors[side.bare]!);
    const { shape } = this.#plans.get(buffer)!;
    const gradient = this.#gradientOf(buffer, shape, layer.group, side.bare);
    const rowStride = this.#bareStride(layer, side.bare, which);
    return { ...gradient, rows, cols, offset, rowStride };
  }

  /** Elements from row to row of a factor that is a side as it is; one with no axis between the sides is a row or a column. */
  #bareStride({ group, rank }: AdaptedLayer, k: number, which: 'down' | 'up'): number {
    const { factors, form } = this.groupOf(group);
    const { shape } = factors[k]!;
    if (which === 'up') return shape.at(-1)!;
    return form.inner.length === 0 ? 1 : form.inner.length === 1 ? shape.at(-1)! : rank;
  }

  #gradientOf(buffer: string, shape: readonly Extent[], groupId: string, k: number): MatrixRef {
    const name = `d${buffer}`;
    const { lrMultiplier } = this.groupOf(groupId).factors[k]!;
    const rate = lrMultiplier === 1 ? {} : { lrMultiplier };
    this.add({
      name,
      dtype: 'f32',
      shape,
      life: 'step',
      gradientOf: buffer,
      ...rate,
      cleared: true,
    });
    return dense(name, 'f32', shape[0]!, shape[1]!);
  }

  /** Room for a result on the way to another one in weight space. */
  between(groupId: string, letters: Letters, extent: (letter: string) => number): Lettered {
    const index = this.groupNumber(groupId);
    const nth = [...this.#plans.keys()].filter((name) => name.startsWith(`V_${index}_`)).length;
    const name = `V_${index}_${nth}`;
    const { strides, size } = denseStrides(letters, extent);
    this.add({ name, dtype: 'f32', shape: [size], life: 'scratch' });
    return { buffer: name, dtype: 'f32', offset: 0, letters, strides };
  }

  /** Scratch for partial sums; grows to what the largest user needs. */
  scratch(elements: number): string {
    const before = this.#plans.get('partials')?.shape[0] ?? 0;
    const shape = [Math.max(elements, Number(before))];
    this.#plans.set('partials', { name: 'partials', dtype: 'f32', shape, life: 'scratch' });
    return 'partials';
  }

  /** The buffers that launches name, and the buffers that these are copies or gradients of, in the order of first use. */
  usedBy(launches: readonly Launch[]): readonly BufferPlan[] {
    const used = new Set<string>();
    const use = (name: string) => {
      if (used.has(name)) return;
      used.add(name);
      const { copyOf, gradientOf, blocks = [] } = this.#plans.get(name)!;
      for (const other of [copyOf, gradientOf]) if (other !== undefined) use(other);
      for (const block of blocks) if ('copyOf' in block) use(block.copyOf.buffer);
    };
    launches.flatMap(buffersOf).forEach(use);
    return [...this.#plans.values()].filter(({ name }) => used.has(name));
  }

  #tokens(name: string, cols: number, value?: string, border?: number): MatrixRef {
    const { dtype } = this.target;
    const more = { ...(value === undefined ? {} : { value }), ...(border === undefined ? {} : { border }) };
    this.add({ name, dtype, shape: ['M', cols], life: 'tokens', ...more });
    return dense(name, dtype, 'M', cols);
  }

  #ofSites(
    kind: string,
    groupId: string,
    which: 'down' | 'up',
    dtype: KernelDtype,
    site: string | null,
  ): Lettered {
    const { group, index } = this.#groups.get(groupId)!;
    const side = group.form[which];
    const perSite = variesBySite(side, group.factors);
    const size = side.term.result.reduce((all, letter) => all * group.extents[letter]!, 1);
    const cols = group.extents[side.term.result.at(-1)!]!;
    const count = perSite ? group.sites.length : 1;
    // the sums of a batch of adapters are never needed: it is not trained
    const rows = (this.adapters * count * size) / cols;
    const name = `${kind}_${index}`;
    this.add({
      name,
      dtype,
      shape: [rows, cols],
      life: 'step',
      ...(kind === 'Z' || kind === 'dFp' ? { cleared: true } : {}),
    });
    const letters = [...side.term.result];
    const { strides } = denseStrides(letters, (letter) => group.extents[letter]!);
    const axes = letters.map((letter, axis) => [letter, strides[axis]!] as const);
    const all = [
      ...(this.adapters > 1 ? [[ADAPTERS, count * size] as const] : []),
      ...(perSite && site === null ? [[SITES, size] as const] : []),
      ...axes,
    ];
    return {
      buffer: name,
      dtype,
      offset: perSite && site !== null ? group.sites.indexOf(site) * size : 0,
      letters: all.map(([letter]) => letter),
      strides: all.map(([, stride]) => stride),
    };
  }

  #rowTable(): string {
    const shape: Extent[] = ['rowBlocks'];
    this.add({ name: ROW_TABLE, dtype: 'u32', shape, life: 'tokens' });
    return ROW_TABLE;
  }

  add(plan: BufferPlan): void {
    if (!this.#plans.has(plan.name)) this.#plans.set(plan.name, plan);
  }
}

/**
 * Columns of the border of a region, r^: those of all its first factors, rounded up to 8, because libraries need rows
 * of 16 bytes.
 */
export const borderOf = ({ downs, rank }: LayerRegion): number => 8 * Math.ceil((downs.length * rank) / 8);

/** Rows and columns of what x, or P, is multiplied by. */
const sideShape = (layer: AdaptedLayer, which: 'down' | 'up'): readonly [number, number] =>
  which === 'down' ? [layer.in, layer.rank] : [layer.rank, layer.out];
