/** A handle as an argument: an address, or a number of 32 bits. */
export type Handle = number | bigint;

/** How an MPI library passes handles, and the ones that are used here. */
export interface MpiAbi {
  /** C type of a handle */
  readonly handle: 'int' | 'intptr_t';
  readonly world: Handle;
  readonly byte: Handle;
  /** the error handler that makes functions return their errors */
  readonly errorsReturn: Handle;
}

/** Handles of MPICH and of what is made of it, by its common binary interface of 2014. */
const MPICH: MpiAbi = { handle: 'int', world: 0x44000000, byte: 0x4c00010d, errorsReturn: 0x54000001 };

/** Handles of MPI 5.0, chapter "Application Binary Interface": addresses that are small numbers. */
const STANDARD: MpiAbi = { handle: 'intptr_t', world: 0x101, byte: 0x247, errorsReturn: 0x142 };

const MADE_OF_MPICH = /^(MPICH|Intel\(R\) MPI|MVAPICH|CRAY MPICH)/i;

/** What tells the interfaces apart. */
export interface AbiSigns {
  /** name of the library */
  readonly file: string;
  /** the text of MPI_Get_library_version */
  readonly version: string;
  /** the address of a variable of the library; null where it has none of that name */
  address(name: string): bigint | null;
}

/**
 * The binary interface of an MPI library; null for one that is not known. The handles of Open MPI are addresses of variables,
 * which no other library has.
 */
export function abiOf({ file, version, address }: AbiSigns): MpiAbi | null {
  if (/mpi_abi/.test(file)) return STANDARD;
  const [world, byte, errorsReturn] = ['comm_world', 'byte', 'errors_return'].map((name) =>
    address(`ompi_mpi_${name}`),
  ) as [bigint | null, bigint | null, bigint | null];
  if (world !== null && byte !== null && errorsReturn !== null)
    return { handle: 'intptr_t', world, byte, errorsReturn };
  return MADE_OF_MPICH.test(version) ? MPICH : null;
}
