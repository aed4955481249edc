import type { NumberRange } from '../../options/range.js';

/**
 * The arithmetic that updates are written in. Training graphs realise it as ONNX nodes, kernels as expressions on single
 * elements, tests as float64. Numbers that are known when a graph or kernel is made are computed in double; kernels take
 * an optimizer's numbers as float32 when a step runs.
 */
export interface Elementwise<T> {
  number(value: number): T;
  add(a: T, b: T): T;
  sub(a: T, b: T): T;
  mul(a: T, b: T): T;
  div(a: T, b: T): T;
  sqrt(a: T): T;
  /** 1, 0 or -1 */
  sign(a: T): T;
  /** A value with a name, computed once. */
  named(name: string, value: T): T;
}

/** Elementwise arithmetic, and products of whole matrices: for graphs, not for kernels on single elements. */
export interface Matrices<T> extends Elementwise<T> {
  product(a: T, b: T): T;
  transpose(a: T): T;
  /** The root of the sum of all squares, a single number. */
  norm(a: T): T;
  max(a: T, b: T): T;
}

/** What an update is computed from. `lr` is the rate of this parameter; the gradient is clipped. */
interface Given<T, Hyper extends string, Slot extends string, Correction extends string> {
  readonly param: T;
  readonly grad: T;
  readonly lr: T;
  readonly hyper: Readonly<Record<Hyper, T>>;
  readonly slots: Readonly<Record<Slot, T>>;
  readonly corrections: Readonly<Record<Correction, T>>;
}

/** The parameter and the state after a step. */
interface Next<T, Slot extends string> {
  readonly param: T;
  readonly slots: Readonly<Record<Slot, T>>;
}

/** A number of an optimizer that a user may set. */
interface HyperParameter extends NumberRange {
  readonly default: number;
  readonly doc: string;
}

interface Common<Kind extends string, Hyper extends string, Slot extends string, Correction extends string> {
  readonly kind: Kind;
  readonly title: string;
  /** the paper, and what it computes the same as */
  readonly doc: string;
  readonly hyper: Readonly<Record<Hyper, HyperParameter>>;
  /** tensors of the shape of the parameter that are kept between steps; zeros before the first */
  readonly slots: readonly Slot[];
  /** scalars that the caller computes for step t, from 1 on: 1 - h^t, with the name of h */
  readonly corrections: Readonly<Record<Correction, NoInfer<Hyper>>>;
}

/** An update of each element by itself. */
export interface ElementwiseDef<
  K extends string = string,
  H extends string = string,
  S extends string = string,
  C extends string = string,
> extends Common<K, H, S, C> {
  readonly arithmetic: 'elementwise';
  /** what it adds to a step along the gradient: emitted code says `AdamW with decoupled decay` */
  readonly variant: string;
  readonly paper?: string;
  /** the class of torch.optim that the emitted PyTorch module leaves the steps to; without it the module has one of its own */
  readonly torch?: string;
  update<T>(x: Elementwise<T>, given: Given<T, H, S, C>): Next<T, S>;
}

/** An update of whole matrices; parameters with another number of axes are refused. */
export interface MatrixDef<K extends string, H extends string, S extends string, C extends string>
  extends Common<K, H, S, C> {
  readonly arithmetic: 'matrices';
  update<T>(x: Matrices<T>, given: Given<T, H, S, C>, shape: readonly [number, number]): Next<T, S>;
}

/** The form that whole changes of weights are brought to after each step: of rank r each, or of Tucker rank r as a stack. */
export type Projection = 'low-rank' | 'tucker';

/**
 * The update of another optimizer, of the whole change that an adapter makes to each weight. The host projects changes to the form
 * of the adapter after each step; weights that are trained in full have no projection.
 */
export interface ProjectedDef<
  K extends string = string,
  H extends string = string,
  S extends string = string,
  C extends string = string,
> extends Common<K, H, S, C> {
  readonly arithmetic: 'projected';
  readonly projection: Projection;
  update<T>(x: Elementwise<T>, given: Given<T, H, S, C>): Next<T, S>;
}

export type OptimizerDef<
  K extends string = string,
  H extends string = string,
  S extends string = string,
  C extends string = string,
> = ElementwiseDef<K, H, S, C> | MatrixDef<K, H, S, C> | ProjectedDef<K, H, S, C>;

/** Declares an optimizer whose update is of each element by itself: graphs and kernels can have it. */
export function defineOptimizer<
  const K extends string,
  const H extends string,
  const S extends string,
  const C extends string = never,
>(def: Omit<ElementwiseDef<K, H, S, C>, 'arithmetic'>): ElementwiseDef<K, H, S, C> {
  return { ...def, arithmetic: 'elementwise' };
}

/** Declares an optimizer whose update needs products of matrices: graphs can have it. */
export function defineMatrixOptimizer<
  const K extends string,
  const H extends string,
  const S extends string,
  const C extends string = never,
>(def: Omit<MatrixDef<K, H, S, C>, 'arithmetic'>): MatrixDef<K, H, S, C> {
  return { ...def, arithmetic: 'matrices' };
}

/** Declares an optimizer that steps whole changes of weights as another one steps parameters, and projects them. */
export function defineProjected<
  const K extends string,
  const H extends string,
  const S extends string,
  const C extends string,
>(
  { hyper, slots, corrections, update }: ElementwiseDef<string, H, S, C>,
  own: Pick<ProjectedDef<K>, 'kind' | 'title' | 'doc' | 'projection'> & { readonly kind: K },
): ProjectedDef<K, H, S, C> {
  return { hyper, slots, corrections, update, ...own, arithmetic: 'projected' };
}
