import { type Expr, flatIndex, type Kernel } from '../../ir/kir.js';
import type { UnitStmt } from '../../ir/units.js';
import {
  EIGHT_NUMBERS_CUH,
  MATRIX_UNITS_CUH,
  PACKED_TILES_CUH,
  PACKED_WEIGHTS_CUH,
} from './generated/runtime.js';

/** File that kernels for matrix units include. */
export const MATRIX_UNITS = 'matrix_units.cuh';

/** A statement of matrix units in CUDA. Throws for a fragment that the kernel does not declare. */
export function unitText(stmt: UnitStmt, kernel: Kernel, text: (expr: Expr) => string): string {
  const fragment = (name: string) => {
    const found = kernel.fragments?.find((decl) => decl.name === name);
    if (!found) throw new Error(`the kernel declares no fragment ${name}`);
    return found;
  };
  switch (stmt.s) {
    case 'fragment': {
      const { part, type } = fragment(stmt.fragment);
      const how = type === 'tf32' || type === 'tf32x3' ? `_${type}` : '';
      const to = `${stmt.fragment}[${text(stmt.index)}]`;
      if (stmt.pair)
        return `load_b_pair<${stmt.transposed}>(&${to}, &${stmt.tile}[${text(stmt.at)}], ${stmt.stride}u);`;
      return `load_${part}${how}<${stmt.transposed}>(${to}, &${stmt.tile}[${text(stmt.at)}], ${stmt.stride}u);`;
    }
    case 'mma': {
      const { type } = fragment(stmt.a);
      const operands = [
        `&${stmt.acc}[${text(stmt.at)}]`,
        `${stmt.a}[${text(stmt.aIndex)}]`,
        `${stmt.b}[${text(stmt.bIndex)}]`,
      ];
      return `mma_${type}(${operands.join(', ')});`;
    }
    case 'copy': {
      const from = `${stmt.view.buffer}, ${text(flatIndex(stmt.view, stmt.at))}`;
      const inside = stmt.mask ? text(stmt.mask) : 'true';
      return `copy_16(&${stmt.array}[${text(stmt.index)}], ${from}, ${inside});`;
    }
    case 'fetch': {
      const from = `${stmt.view.buffer}, ${text(flatIndex(stmt.view, stmt.coordinates))}`;
      return `fetch<${stmt.count}>(&${stmt.array}[${text(stmt.at)}], ${from}, ${text(stmt.mask)});`;
    }
    case 'unpack': {
      const from = `&${stmt.from}[${text(stmt.at)}]`;
      const how = [`&${stmt.array}[${text(stmt.index)}]`, from, text(stmt.scale)];
      return 'zero' in stmt.of
        ? `unpack<${stmt.bits}, ${stmt.count}>(${[...how, text(stmt.of.zero)].join(', ')});`
        : `look_up<${stmt.bits}, ${stmt.count}>(${[...how, stmt.of.table].join(', ')});`;
    }
    case 'load8':
    case 'store8': {
      const place = `${stmt.view.buffer}, ${text(flatIndex(stmt.view, stmt.at))}`;
      return `${stmt.s}(&${stmt.array}[${text(stmt.index)}], ${place}, ${text(stmt.mask)});`;
    }
    case 'take':
      return `take_4(&${stmt.to}[${text(stmt.at)}], &${stmt.array}[${text(stmt.index)}]);`;
    case 'put':
      return `put_4(&${stmt.array}[${text(stmt.index)}], &${stmt.from}[${text(stmt.at)}]);`;
    // kernels with matrices of subgroups have vectors, and are refused
    case 'spill':
    case 'clear':
      throw new Error(`CUDA has no ${stmt.s}`);
    case 'commit':
      return 'commit_copies();';
    case 'wait':
      return `wait_copies<${stmt.pending}>();`;
  }
}

/** File that kernels with a ring include which unpack operands, and its text. */
export const PACKED_WEIGHTS = 'packed_weights.cuh';
export const PACKED_WEIGHTS_TEXT = PACKED_WEIGHTS_CUH;

/** File that kernels include which load eight numbers at once, and its text. */
export const EIGHT_NUMBERS = 'eight_numbers.cuh';
export const EIGHT_NUMBERS_TEXT = EIGHT_NUMBERS_CUH;

/** File that kernels include whose tiles come through registers: it is HIP's, CUDA has copies that run by themselves. */
export const STAGED_TILES = 'staged_tiles.h';

/** Whether a kernel unpacks words on their way to a ring. */
export const unpacksWords = ({ arrays, ring }: Kernel): boolean =>
  ring?.unpacks === true || arrays.some(({ elem }) => elem === 'u32');

/** File that kernels for warpgroups with packed operands include as well, and its text. */
export const PACKED_TILES = 'packed_tiles.cuh';
export const PACKED_TILES_TEXT = PACKED_TILES_CUH;

/**
 * The file: wrappers of the instructions (PTX ISA 8: `mma.sync`, `ldmatrix`, `cp.async`; sm_80 and up), and in plain C++
 * how the elements of a tile are spread over the threads of a warp. A build for another machine defines
 * LOTRC_OWN_INSTRUCTIONS and brings the wrappers itself.
 */
export const MATRIX_UNITS_TEXT = MATRIX_UNITS_CUH;
