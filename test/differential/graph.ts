/** Graphs as plain data, which the generator makes, the interpreter runs and `encode.ts` writes as an ONNX file. */

export type ElementType = 'f32' | 'f64' | 'f16' | 'bf16' | 'i64' | 'i32' | 'i8' | 'u8' | 'bool';

/** A tensor; the elements are float64 whatever the type. */
export interface Nd {
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export type Attr =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'tensor'; readonly value: Nd }
  | { readonly kind: 'graph'; readonly value: Net };

export type Attrs = Readonly<Record<string, Attr>>;

export interface Op {
  readonly domain: string;
  readonly op: string;
  /** unique in the case: plans name the node of a layer */
  readonly name: string;
  /** '': an optional input that is not given */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs: Attrs;
  /** of an Einsum: the input that holds the weight */
  readonly weight?: number;
}

export interface Port {
  readonly name: string;
  readonly dtype: ElementType;
  /** extents as the file declares them; null: the file declares no shape */
  readonly dims: readonly (number | string)[] | null;
}

export interface Net {
  readonly name: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly ops: readonly Op[];
  readonly stored: ReadonlyMap<string, Nd>;
  /** types that the file declares for values inside */
  readonly declared: readonly Port[];
}

export interface FunctionBody {
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly ops: readonly Op[];
}

/** A model with inputs to run it with. */
export interface Case {
  readonly seed: number;
  readonly opset: number;
  /** the type that its layers compute in */
  readonly dtype: ElementType;
  readonly net: Net;
  readonly functions: ReadonlyMap<string, FunctionBody>;
  readonly feeds: ReadonlyMap<string, Nd>;
  /** stored tensors lie in a file next to the model */
  readonly external: boolean;
  /** types that weights are stored in */
  readonly storage: ReadonlySet<ElementType>;
  /** every operator on the way has a gradient */
  readonly differentiable: boolean;
}

export const int = (value: number): Attr => ({ kind: 'int', value });
export const float = (value: number): Attr => ({ kind: 'float', value: Math.fround(value) });
export const text = (value: string): Attr => ({ kind: 'string', value });
export const ints = (value: readonly number[]): Attr => ({ kind: 'ints', value });
export const graph = (value: Net): Attr => ({ kind: 'graph', value });

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

export const nd = (dtype: ElementType, shape: readonly number[], data: Iterable<number>): Nd => ({
  dtype,
  shape,
  data: Float64Array.from(data),
});

/** A vector of whole numbers, as shapes and axes are given. */
export const whole = (values: readonly number[]): Nd => nd('i64', [values.length], values);

export const callKey = (domain: string, op: string): string => `${domain}::${op}`;

const FLOATS: ReadonlySet<ElementType> = new Set(['f32', 'f64', 'f16', 'bf16']);

export const isFloating = (dtype: ElementType): boolean => FLOATS.has(dtype);
