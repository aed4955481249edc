import { badPeft } from '../ir/codes/files.js';
import { fail } from '../ir/diagnostics.js';
import { ComputedTensor, type TensorData } from '../ir/tensor.js';
import { encodeFloats, toF64 } from '../ir/values.js';
import type { ForeignLayer } from './foreign.js';
import { matrixExtents } from './matrices.js';
import { CONFIG_FILE, type PeftConfig } from './peft-config.js';

/** The tensors of one module, by what PEFT calls them: `lora_A`, `lora_B`. */
export type PeftParts = ReadonlyMap<string, TensorData>;

/** A kind of adapter of PEFT (`peft_type`) that is a method of lotrc. */
export interface PeftKind {
  /** what its tensors are called after the module */
  readonly parts: readonly string[];
  /** tensors of the whole adapter, after `base_model.` */
  readonly shared?: readonly string[];
  /** settings under which a layer computes something else */
  readonly refused: readonly string[];
  /** Makes layers of modules; `wrong` refuses what does not fit together. */
  layers(
    config: PeftConfig,
    shared: PeftParts,
    file: string,
  ): (module: string, parts: PeftParts) => ForeignLayer;
}

/** What helps where random matrices are not stored. */
export const SAVE_PROJECTION =
  'load the adapter with PEFT, set save_projection to True in its configuration, and save it again';

/** Reads the tensors of one module. */
export class PeftModule {
  constructor(
    readonly name: string,
    readonly parts: PeftParts,
    readonly file: string,
  ) {}

  wrong(why: string): never {
    return fail(badPeft({ file: this.file, why: `module "${this.name}" ${why}` }));
  }

  has(part: string): boolean {
    return this.parts.has(part);
  }

  /** A matrix, or filters as one. */
  matrix(part: string): TensorData {
    const data = this.parts.get(part) ?? this.wrong(`has no ${part}`);
    if (data.shape.length < 2 || data.byteLength === 0)
      this.wrong(`has ${part} of the shape [${data.shape}]`);
    return data;
  }

  /** A tensor of three axes. */
  cube(part: string): TensorData {
    const data = this.parts.get(part) ?? this.wrong(`has no ${part}`);
    if (data.shape.length !== 3 || data.byteLength === 0)
      this.wrong(`has ${part} of the shape [${data.shape}]`);
    return data;
  }

  /** Its numbers in a row, as float32, each with `add` added. */
  vector(part: string, add = 0): TensorData {
    return asVector(this.parts.get(part) ?? this.wrong(`has no ${part}`), add);
  }

  /** Two matrices whose product, first (m, k) then (k, n), is made. */
  fits(first: TensorData, second: TensorData, what: string): void {
    if (matrixExtents(first)[1] !== matrixExtents(second)[0])
      this.wrong(
        `has ${what} of the shapes [${first.shape}] and [${second.shape}], which do not fit together`,
      );
  }

  /** The rank that the configuration must say too. */
  rank(found: number, said: number): number {
    return found === said ? found : this.wrong(`has rank ${found}, and ${said} in ${CONFIG_FILE}`);
  }
}

function asVector(data: TensorData, add: number): TensorData {
  const count = data.shape.reduce((product, extent) => product * extent, 1);
  return new ComputedTensor('f32', [count], 'vector', () =>
    encodeFloats(
      'f32',
      toF64(data).map((value) => value + add),
    ),
  );
}
