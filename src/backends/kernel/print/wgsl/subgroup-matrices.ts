import { SUBGROUP, type SubgroupMatrix } from '../../device/subgroup-matrices.js';
import type { Expr, Kernel } from '../../ir/kir.js';
import { type FragmentDecl, fragmentShape, type UnitStmt } from '../../ir/units.js';

/**
 * Matrices of subgroups as the Dawn of the package `webgpu` 0.6.2 spells them: the extension is experimental, and its text has changed
 * (loads once took a truth value for the order in place of `row_major` and `col_major`; that Dawn takes it too, with a warning).
 */

/** The extensions that a module enables. */
export const matrixExtensions = ({ asksForSize }: SubgroupMatrix): string[] => [
  'enable chromium_experimental_subgroup_matrix;',
  ...(asksForSize ? ['enable subgroup_size_control;'] : []),
];

/** Attributes of `main`. */
export const matrixAttributes = (matrix: SubgroupMatrix | undefined): string[] =>
  matrix?.asksForSize ? [`@subgroup_size(${SUBGROUP})`] : [];

const KINDS = { a: 'left', b: 'right', sum: 'result' } as const;

/** `subgroup_matrix_left<f16, 16, 8>`: columns, then rows. */
function typeOf(decl: FragmentDecl, { matrix }: Pick<Kernel, 'matrix'>): string {
  const [rows, cols] = fragmentShape(decl, matrix);
  return `subgroup_matrix_${KINDS[decl.part]}<${decl.type}, ${cols}, ${rows}>`;
}

/** A variable for each fragment, zero at first. */
export const matrixVariables = (kernel: Kernel): string[] =>
  (kernel.fragments ?? []).flatMap((decl) =>
    Array.from({ length: decl.count }, (_, n) => `var ${decl.name}_${n}: ${typeOf(decl, kernel)};`),
  );

/** A statement of matrices of subgroups, with fragments numbered by literals. Throws for any other statement of matrix units. */
export function matrixStatement(stmt: UnitStmt, kernel: Kernel, text: (expr: Expr) => string): string {
  const named = (name: string, index: Expr) => {
    if (index.e !== 'lit') throw new Error(`${name} is numbered by what is not known`);
    return `${name}_${index.value}`;
  };
  const type = (name: string) => {
    const decl = kernel.fragments?.find((one) => one.name === name);
    if (!decl) throw new Error(`the kernel declares no fragment ${name}`);
    return typeOf(decl, kernel);
  };
  switch (stmt.s) {
    case 'fragment': {
      const how = `${type(stmt.fragment)}, ${stmt.transposed ? 'col_major' : 'row_major'}`;
      const from = `&${stmt.tile}, ${text(stmt.at)}, ${stmt.stride}u`;
      return `${named(stmt.fragment, stmt.index)} = subgroupMatrixLoad<${how}>(${from});`;
    }
    case 'mma': {
      const sum = named(stmt.acc, stmt.at);
      const [a, b] = [named(stmt.a, stmt.aIndex), named(stmt.b, stmt.bIndex)];
      return `${sum} = subgroupMatrixMultiplyAccumulate(${a}, ${b}, ${sum});`;
    }
    case 'spill': {
      const sum = named(stmt.fragment, stmt.index);
      return `subgroupMatrixStore<row_major>(&${stmt.tile}, ${text(stmt.at)}, ${sum}, ${stmt.stride}u);`;
    }
    case 'clear':
      return `${named(stmt.fragment, stmt.index)} = ${type(stmt.fragment)}();`;
    default:
      throw new Error(`WGSL has no ${stmt.s}`);
  }
}
