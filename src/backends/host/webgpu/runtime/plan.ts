/**
 * What a module has of a plan, as far as its runtime sees it: types of the tables that `../module/` writes, with all that a plan can
 * have. Only the source of the runtime imports it; in a module they are in one file.
 */

export declare const TOKENS: number;
export declare const ADAPTERS: number;
export declare const ROW_BLOCK: number;
export declare const MAX_RANK: number;
export declare const NO_ADAPTER: number;

export type Extent = number | 'M' | 'rowBlocks';
export interface BufferLayout {
  readonly type: 'f32' | 'f16' | 'u8' | 'u32';
  readonly shape: readonly Extent[];
}
export type BufferName = 'x_0' | 'rowAdapter' | 'ranks_0';
export type NumbersName = BufferName;
export declare const BUFFERS: Readonly<Record<BufferName, BufferLayout>>;
export declare const BUFFER_NAMES: readonly BufferName[];

export interface Place {
  readonly buffer: BufferName;
  readonly offset: number;
  readonly rows: number;
  readonly cols: number;
  readonly rowStride: number;
}
export type Places = Readonly<Record<string, readonly Place[]>>;
export declare const WEIGHTS: Places;
export declare const FACTORS: Places;
export type FactorName = string;
export declare const PACKED: Readonly<Record<string, BufferName>>;

/** Layers of which an adapter has one rank and scale. */
export interface Group {
  readonly label: string;
  /** of the adapter of the model */
  readonly scale: number;
  readonly ranks: BufferName;
  readonly scales: BufferName;
}
export declare const GROUPS: readonly Group[];
/** Where a buffer has a factor of adapter 0: a line for each of its rank. */
export interface RowPlace {
  readonly buffer: BufferName;
  readonly group: number;
  readonly first: number;
  /** numbers of a line; null: as many as the rank */
  readonly length: number | null;
  /** the model has the axis of the rank last */
  readonly turned: boolean;
}
export declare const ROW_FACTORS: Readonly<Record<string, readonly RowPlace[]>>;
/** Rank and scale of an adapter. */
export interface AdapterOptions {
  readonly rank?: number;
  readonly scale?: number;
}

export interface Region {
  /** argument of forward */
  readonly index: number;
  readonly label: string;
  /** nodes of the model */
  readonly layers: readonly string[];
  /** read: (M, in) */
  readonly x: BufferName;
  /** written by forward, one for each layer: (M, out) */
  readonly y: readonly BufferName[];
  /** launches in order */
  readonly forward: readonly KernelName[];
  /** read by backward, one for each layer: (M, out) */
  readonly dy: readonly BufferName[];
  /** written by backward: (M, in); null where nothing needs it */
  readonly dx: BufferName | null;
  /** an earlier region reads the same x: its backward goes first */
  readonly addsToDx: boolean;
  /** launches in order */
  readonly backward: readonly KernelName[];
  /** launches of the layers while the weights hold the adapter */
  readonly merged: readonly KernelName[];
}
export type RegionIndex = number;
export declare const REGIONS: readonly Region[];
export declare const PROLOGUE: readonly KernelName[];
export declare const EPILOGUE: readonly KernelName[];
export declare const CLEARED: readonly BufferName[];
export declare const MERGE: readonly KernelName[];
export declare const UNMERGE: readonly KernelName[];

export type TensorData<Name extends string> = Partial<Readonly<Record<Name, Float32Array<ArrayBuffer>>>>;
/** Numbers of a step: each optimizer has its own. */
export interface StepNumbers {
  readonly learningRate: number;
  readonly beta1?: number;
}
export interface AdaptersOptions {
  /** rows of every x; TOKENS unless given */
  readonly tokens?: number;
}

/** All methods that a module can have. */
export interface Adapters {
  readonly tokens: number;
  readonly buffers: Readonly<Record<BufferName, GPUBuffer>>;
  setWeights(tensors: TensorData<string>): void;
  setPacked(tensors: Partial<Readonly<Record<string, Uint8Array<ArrayBuffer>>>>): void;
  setAdapter(tensors: TensorData<string>, adapter?: number, options?: AdapterOptions): void;
  setRows(adapters: readonly (number | null)[]): void;
  write(name: BufferName, data: Float32Array<ArrayBuffer>): void;
  read(name: BufferName): Promise<Float32Array<ArrayBuffer>>;
  readAdapter(): Promise<Record<FactorName, Float32Array<ArrayBuffer>>>;
  readState(): Promise<Uint8Array<ArrayBuffer>>;
  writeState(state: ArrayBuffer | Uint8Array): void;
  encode(pass: GPUComputePassEncoder, region: RegionIndex): void;
  forward(region: RegionIndex): void;
  merge(): void;
  unmerge(): void;
  backward(region: RegionIndex): void;
  gradients(): void;
  step(hyper: StepNumbers): void;
  clearGradients(): void;
  destroy(): void;
}

export declare const FEATURES: readonly string[];
/** Matrices that subgroups of a device multiply, as an adapter lists them. */
export interface MatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}
export declare const MATRIX: MatrixConfig & {
  readonly subgroupSize: number;
  readonly asksForSize: boolean;
};
export declare const LIMITS: Readonly<Record<string, number>>;

export interface Binding<Name extends string> {
  readonly buffer: Name;
  readonly type: 'read-only-storage' | 'storage';
  /** bytes of the buffer before what the kernel is given; absent: 0 */
  readonly offset?: number;
  /** bytes that the kernel is given; absent: all that follow */
  readonly size?: number;
}

export type GridExtent = number | { readonly per: number };
export interface Kernel<Name extends string = BufferName> {
  /** invocations of a workgroup */
  readonly workgroup: readonly [x: number, y: number, z: number];
  /** workgroups of a launch */
  readonly grid: readonly [x: GridExtent, y: GridExtent, z: GridExtent];
  /** buffers at the bindings from 0 on */
  readonly bindings: readonly Binding<Name>[];
  /** bytes of the struct of uniforms at the binding after the buffers; 0: there is none */
  readonly uniformBytes: number;
  /** WGSL */
  readonly code: string;
}
export type KernelName = 'layer_0';
export declare const KERNELS: Readonly<Record<KernelName, Kernel>>;
export declare const KERNEL_NAMES: readonly KernelName[];

export type StepBuffer = 'parameter' | 'gradient' | 'moment1';
export interface Step {
  readonly factor: BufferName;
  readonly gradient: BufferName;
  readonly kernel: Kernel<StepBuffer>;
}
export declare const STEPS: readonly Step[];
export declare const SLOTS: readonly (readonly [buffer: StepBuffer, name: string])[];
export declare const STATE_OF: readonly (readonly [name: string, value: string])[];
