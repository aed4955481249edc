import { hasCore } from '../../../adapter/kernel-chain.js';
import type { AdaptedLayer, AdaptedLayers, Group, LayerRegion } from '../model/layers.js';
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
import { buffersOf, dense, plain, type Target } from './launches.js';

/** Which adapter each row block belongs to, when there are several in a batch. */
export const ROW_TABLE = 'rowAdapter';

/**
 * Names and shapes of the buffers of a plan. Numbers in names: regions (x_0, P_0), layers (y_3, W_3) and groups (R_1) in
 * the order of the contraction. The factors of a group lie stacked in one buffer per factor, site after site, so that the
 * weight-space products over all sites are single launches. A buffer is created when it is first used.
 */
export class Buffers {
  readonly #plans = new Map<string, BufferPlan>();
  readonly #regions: ReadonlyMap<LayerRegion, number>;
  readonly #layers: ReadonlyMap<AdaptedLayer, number>;
  /** a tied weight is one buffer: the number of its first layer */
  readonly #weights = new Map<string, number>();
  readonly #groups: ReadonlyMap<string, { readonly group: Group; readonly index: number }>;

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
  }

  /** x, dx (M, in) of a region's input. */
  ofInput(kind: 'x' | 'dx', region: LayerRegion): MatrixRef {
    return this.#tokens(`${kind}_${region.input}`, region.in, region.x);
  }

  /** P, dP (M, r for each first factor) of a region. */
  ofRegion(kind: 'P' | 'dP', region: LayerRegion): MatrixRef {
    return this.#tokens(`${kind}_${this.number(region)}`, region.downs.length * region.rank);
  }

  /** What x is multiplied by: the first factor, or those of all layers side by side (in, r for each). */
  down(region: LayerRegion): Operand {
    if (this.#sharesDown(region)) return this.factor(region.layers[0]!, 0, 'tokens');
    const cols = region.downs.length * region.rank;
    const shape = [this.adapters * region.in, cols];
    const name = this.#besides(this.#besideName(region), shape, region.downs);
    return this.#ofAdapter(dense(name, this.target.dtype, region.in, cols));
  }

  /** Gradient of what x is multiplied by, laid out as that is. */
  downGradient(region: LayerRegion): MatrixRef {
    if (this.#sharesDown(region)) return this.gradient(region.layers[0]!, 0);
    this.down(region); // this creates the buffer whose gradient is returned
    const cols = region.downs.length * region.rank;
    return this.#gradientOf(dense(this.#besideName(region), 'f32', region.in, cols), region.group, 0);
  }

  #sharesDown({ group }: LayerRegion): boolean {
    return this.#groups.get(group)!.group.factors[0]!.shared;
  }

  /** Every first factor is in one such buffer, which has the number of the first factor in it. */
  #besideName(region: LayerRegion): string {
    const { group, index } = this.#groups.get(region.group)!;
    const { name, tensors } = group.factors[0]!;
    return `${name}_${index}_${tensors.indexOf(region.downs[0]!)}`;
  }

  #ofAdapter(matrix: MatrixRef): Operand {
    if (this.adapters === 1) return plain(matrix);
    const stride = Number(matrix.rows) * Number(matrix.cols);
    return { ...plain(matrix), perRowBlock: { table: this.#rowTable(), stride, count: this.adapters } };
  }

  /** T = P [M_1 M_2 ...] of a region: (M, layers * r). */
  cores(region: LayerRegion): MatrixRef {
    return this.#tokens(`T_${this.number(region)}`, region.layers.length * region.rank);
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
    const name = `W_${this.#weights.get(layer.weight)!}`;
    const { dtype } = this.target;
    this.#add({ name, dtype, shape: [rows, cols], life: 'weight', from: [layer.weight] });
    return { matrix: dense(name, dtype, rows, cols), transposed: !io };
  }

  /** W' = W + s R M L, stored as W is. */
  merged(layer: AdaptedLayer): Operand {
    const { matrix, transposed } = this.weight(layer);
    const buffer = `Wm_${this.#weights.get(layer.weight)!}`;
    this.#add({ name: buffer, dtype: matrix.dtype, shape: [matrix.rows, matrix.cols], life: 'step' });
    return { matrix: { ...matrix, buffer }, transposed };
  }

  /**
   * [[W, R], [L', 0]] of a layer, (in + r^) x (out + r^): W and its adapter as one matrix whose parts a library multiplies.
   * R, of every layer where each has its own, and with two factors B are copies in it that are made again when a factor
   * changes. Only the first layer is multiplied by all of dP and therefore needs the R of other layers.
   */
  bordered(region: LayerRegion, layer: AdaptedLayer): MatrixRef {
    const { in: inn, out, rank, factors } = layer;
    const room = borderOf(region);
    const [rows, cols] = [inn + room, out + room];
    const name = `Wb_${this.#weights.get(layer.weight)!}`;
    const down = this.down(region).matrix;
    const downs = region.downs.length;
    const all = downs === 1 || layer === region.layers[0];
    const at = inn + region.downs.indexOf(factors[0]!) * rank;
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
      ...(hasCore(layer)
        ? []
        : [{ row: at, col: 0, rows: rank, cols: out, copyOf: this.factor(layer, 1, 'tokens').matrix }]),
    ];
    this.#add({ name, dtype: this.target.dtype, shape: [rows, cols], life: 'step', blocks });
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
    this.#add({ name, dtype, shape: [layer.out], life: 'weight', from: [layer.bias] });
    return { bias: { buffer: name, dtype, offset: 0 } };
  }

  /** Factor `k` of a layer, in the type of token-space products or, for weight space, in f32. */
  factor(layer: AdaptedLayer, k: number, space: 'tokens' | 'weights'): Operand {
    const stack = this.stack(layer.group, k, space);
    const { rows, cols } = this.#factorShape(layer.group, k);
    const matrix = dense(stack.buffer, stack.dtype, rows, cols, this.#place(layer, k) * rows * cols);
    if (this.adapters === 1) return plain(matrix);
    const { group } = this.#groups.get(layer.group)!;
    const stride = group.factors[k]!.tensors.length * rows * cols;
    return { ...plain(matrix), perRowBlock: { table: this.#rowTable(), stride, count: this.adapters } };
  }

  /** [M_1 M_2 ...] of a region side by side (r, layers * r), for the token form. */
  coresBeside(region: LayerRegion): Operand {
    const cols = region.layers.length * region.rank;
    const shape = [this.adapters * region.rank, cols];
    const from = region.layers.map(({ factors }) => factors[1]!);
    const name = this.#besides(`Ms_${this.number(region)}`, shape, from);
    return this.#ofAdapter(dense(name, this.target.dtype, region.rank, cols));
  }

  /**
   * Factors side by side, in f32, and their copy in the type of token space. Adapters and factors begin where a float32
   * may begin, because a 16-bit number in the middle of a word cannot be written alone. Returns the name of the buffer
   * that products read.
   */
  #besides(master: string, shape: readonly Extent[], from: readonly string[]): string {
    this.#add({ name: master, dtype: 'f32', shape, life: 'step', from, sideBySide: true });
    const { dtype } = this.target;
    if (dtype === 'f32') return master;
    this.#add({ name: `${master}_${dtype}`, dtype, shape, life: 'step', copyOf: master });
    return `${master}_${dtype}`;
  }

  /** All tensors of factor `k` of a group, one below the other. */
  stack(groupId: string, k: number, space: 'tokens' | 'weights'): MatrixRef {
    const { group, index } = this.#groups.get(groupId)!;
    const { name, tensors } = group.factors[k]!;
    const { rows, cols } = this.#factorShape(groupId, k);
    const height = this.adapters * tensors.length * rows;
    const master = `${name}_${index}`;
    this.#add({ name: master, dtype: 'f32', shape: [height, cols], life: 'step', from: tensors });
    const { dtype } = this.target;
    if (space === 'weights' || dtype === 'f32') return dense(master, 'f32', height, cols);
    const copy = `${master}_${dtype}`;
    this.#add({ name: copy, dtype, shape: [height, cols], life: 'step', copyOf: master });
    return dense(copy, dtype, height, cols);
  }

  /** L' of all sites of a group, one below the other: (sites * r, out). */
  foldedStack(groupId: string): MatrixRef {
    return this.#ofSites('Lp', groupId, this.target.dtype, false);
  }

  /** Z of all sites of a group, one below the other: (sites * r, out), sums over tokens. */
  sumsStack(groupId: string): MatrixRef {
    return this.#ofSites('Z', groupId, 'f32', true);
  }

  /** What P is multiplied by: L' of the layer's site, or with two factors B itself. */
  up(layer: AdaptedLayer): Operand {
    if (!hasCore(layer)) return this.factor(layer, 1, 'tokens');
    return plain(this.#slice(this.foldedStack(layer.group), layer));
  }

  /** P^T dy: Z of the layer's site, or with two factors the gradient of B. */
  sums(layer: AdaptedLayer): MatrixRef {
    if (hasCore(layer)) return this.#slice(this.sumsStack(layer.group), layer);
    return this.gradient(layer, 1);
  }

  /** Gradient of factor `k` of a layer: where its stack has the factor. */
  gradient(layer: AdaptedLayer, k: number): MatrixRef {
    const { rows, cols } = this.#factorShape(layer.group, k);
    const stack = this.gradientStack(layer.group, k);
    return dense(stack.buffer, 'f32', rows, cols, this.#place(layer, k) * rows * cols);
  }

  gradientStack(groupId: string, k: number): MatrixRef {
    return this.#gradientOf(this.stack(groupId, k, 'weights'), groupId, k);
  }

  #gradientOf({ buffer, rows, cols }: MatrixRef, groupId: string, k: number): MatrixRef {
    const name = `d${buffer}`;
    const { lrMultiplier } = this.#groups.get(groupId)!.group.factors[k]!;
    const rate = lrMultiplier === 1 ? {} : { lrMultiplier };
    this.#add({
      name,
      dtype: 'f32',
      shape: [rows, cols],
      life: 'step',
      gradientOf: buffer,
      ...rate,
      cleared: true,
    });
    return dense(name, 'f32', rows, cols);
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
    this.#add({ name, dtype, shape: ['M', cols], life: 'tokens', ...more });
    return dense(name, dtype, 'M', cols);
  }

  #ofSites(kind: string, groupId: string, dtype: KernelDtype, cleared: boolean): MatrixRef {
    const { group, index } = this.#groups.get(groupId)!;
    const rows = group.sites.length * group.rank;
    const name = `${kind}_${index}`;
    this.#add({ name, dtype, shape: [rows, group.out], life: 'step', ...(cleared ? { cleared } : {}) });
    return dense(name, dtype, rows, group.out);
  }

  #slice(stack: MatrixRef, layer: AdaptedLayer): MatrixRef {
    const at = this.#groups.get(layer.group)!.group.sites.indexOf(layer.site);
    return dense(stack.buffer, stack.dtype, layer.rank, layer.out, at * layer.rank * layer.out);
  }

  #place(layer: AdaptedLayer, k: number): number {
    return this.#groups.get(layer.group)!.group.factors[k]!.tensors.indexOf(layer.factors[k]!);
  }

  #factorShape(groupId: string, k: number): { readonly rows: number; readonly cols: number } {
    const { group } = this.#groups.get(groupId)!;
    const last = group.factors[k + 1] === undefined;
    return { rows: k === 0 ? group.in : group.rank, cols: last ? group.out : group.rank };
  }

  #rowTable(): string {
    const shape: Extent[] = ['rowBlocks'];
    this.#add({ name: ROW_TABLE, dtype: 'u32', shape, life: 'tokens' });
    return ROW_TABLE;
  }

  #add(plan: BufferPlan): void {
    if (!this.#plans.has(plan.name)) this.#plans.set(plan.name, plan);
  }
}

/**
 * Columns of the border of a region, r^: those of all its first factors, rounded up to 8, because libraries need rows
 * of 16 bytes.
 */
export const borderOf = ({ downs, rank }: LayerRegion): number => 8 * Math.ceil((downs.length * rank) / 8);
