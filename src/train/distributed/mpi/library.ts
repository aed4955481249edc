import { basename } from 'node:path';
import type * as Koffi from 'koffi';
import { koffiMissing, mpiFailed, mpiMissing, mpiUnknown } from '../../../ir/codes/distributed.js';
import { fail } from '../../../ir/diagnostics.js';
import { abiOf, type Handle, type MpiAbi } from './abi.js';
import type { MpiLaunch } from './launcher.js';

/** Names of MPI libraries, those of Open MPI first; what the system's `libmpi.so` is depends on its administrator. */
const OPEN_MPI = ['libmpi.so.40', 'libmpi.40.dylib', 'libmpi.so.80'];
const MPICH = ['libmpi.so.12', 'libmpich.so.12', 'libmpi.12.dylib', 'libmpich.so'];
const STANDARD = ['libmpi_abi.so.0', 'libmpi_abi.0.dylib'];
const ANY = ['libmpi.so', 'libmpi.dylib'];

/** Memory for the text of MPI_Get_library_version and of errors, and for a request, in the largest of the interfaces. */
const LONGEST_TEXT = 8192;
const REQUEST_BYTES = 16;

/** Memory that stays where it is while a call that has returned goes on with it. */
export const steady = (bytes: number): ArrayBuffer => new ArrayBuffer(bytes);

/** The functions of an MPI library that training calls. All but `finalize` and `abort` throw LOTR8265 for an error. */
export interface MpiLibrary {
  /** as messages call it */
  readonly name: string;
  init(): void;
  rank(): number;
  size(): number;
  /** Starts to give every rank the bytes of rank 0. The memory is in use until the call has ended. */
  broadcast(bytes: Uint8Array): Pending;
  /** Starts to send the n-th of equal pieces to rank n, and to put what comes from rank n in the n-th piece of `into`. */
  exchange(from: Float64Array, into: Float64Array): Pending;
  /** Starts to put what all ranks have one behind another, on every rank. */
  gather(from: Float64Array, into: Float64Array): Pending;
  finalize(): void;
  /** Ends the processes of all ranks. */
  abort(code: number): void;
}

/** A call that was started. */
export interface Pending {
  /** the function, for messages */
  readonly call: string;
  /** whether it has ended; it makes progress while it is asked */
  ended(): boolean;
}

/**
 * Loads the MPI library of the system, or the one that LOTRC_MPI_LIBRARY names. Throws LOTR8261 without koffi, LOTR8262
 * without a library, LOTR8263 for one whose binary interface is unknown.
 */
export async function loadMpi(
  launch: Pick<MpiLaunch, 'open'>,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<MpiLibrary> {
  const koffi = await loadKoffi();
  const named = environment.LOTRC_MPI_LIBRARY;
  const first = launch.open ? [...OPEN_MPI, ...STANDARD] : [...STANDARD, ...MPICH];
  const names = named ? [named] : [...new Set([...first, ...ANY, ...OPEN_MPI, ...MPICH])];
  let why = '';
  for (const file of names) {
    try {
      // plug-ins of MPI libraries look for the functions of the library among those of the whole process
      return bind(koffi, koffi.load(file, { global: true }), file);
    } catch (error) {
      if (!(error instanceof Error) || error.name === 'LotrcError') throw error;
      why ||= error.message.split('\n')[0]!;
    }
  }
  return fail(mpiMissing({ tried: names, why }));
}

async function loadKoffi(): Promise<typeof Koffi> {
  try {
    const { default: koffi } = (await import('koffi')) as unknown as { readonly default: typeof Koffi };
    return koffi;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const absent = code === 'ERR_MODULE_NOT_FOUND' && message.includes("'koffi'");
    return fail(koffiMissing({ why: absent ? null : message.split('\n')[0]! }));
  }
}

type Native = (...args: readonly unknown[]) => number;

function bind(koffi: typeof Koffi, library: Koffi.LibraryHandle, file: string): MpiLibrary {
  const name = basename(file);
  const version = versionOf(library, name);
  const address = (symbol: string): bigint | null => {
    try {
      return koffi.address(library.symbol(symbol));
    } catch {
      return null;
    }
  };
  const abi = abiOf({ file: name, version, address });
  if (!abi) return fail(mpiUnknown({ library: name, version, lacks: null }));
  return new Bound(name, abi, (symbol, types) => functionOf(library, name, symbol, types));
}

/** A function of the library that returns an error number. Throws LOTR8263 when there is none. */
function functionOf(library: Koffi.LibraryHandle, name: string, symbol: string, types: string[]): Native {
  try {
    return library.func(symbol, 'int', types);
  } catch {
    return fail(mpiUnknown({ library: name, version: '', lacks: symbol }));
  }
}

/** The first line of what the library says it is. It may be asked before anything else. */
function versionOf(library: Koffi.LibraryHandle, name: string): string {
  const [text, length] = [new Uint8Array(steady(LONGEST_TEXT)), new Int32Array(steady(4))];
  functionOf(library, name, 'MPI_Get_library_version', ['void *', 'void *'])(text, length);
  return new TextDecoder('latin1').decode(text.subarray(0, length[0])).split('\n')[0]!.trim();
}

class Bound implements MpiLibrary {
  readonly #world: Handle;
  readonly #byte: Handle;
  readonly #errorsReturn: Handle;
  readonly #flag = new Int32Array(steady(4));
  readonly #status = new Uint8Array(steady(256));
  readonly #functions;

  constructor(
    readonly name: string,
    { handle, world, byte, errorsReturn }: MpiAbi,
    find: (symbol: string, types: string[]) => Native,
  ) {
    this.#world = world;
    this.#byte = byte;
    this.#errorsReturn = errorsReturn;
    const move = ['void *', 'int', handle, 'void *', 'int', handle, handle, 'void *'];
    this.#functions = {
      init: find('MPI_Init', ['intptr_t', 'intptr_t']),
      handler: find('MPI_Comm_set_errhandler', [handle, handle]),
      rank: find('MPI_Comm_rank', [handle, 'void *']),
      size: find('MPI_Comm_size', [handle, 'void *']),
      broadcast: find('MPI_Ibcast', ['void *', 'int', handle, 'int', handle, 'void *']),
      exchange: find('MPI_Ialltoall', move),
      gather: find('MPI_Iallgather', move),
      test: find('MPI_Test', ['void *', 'void *', 'void *']),
      text: find('MPI_Error_string', ['int', 'void *', 'void *']),
      finalize: find('MPI_Finalize', []),
      abort: find('MPI_Abort', [handle, 'int']),
    };
  }

  init(): void {
    this.#check('MPI_Init', this.#functions.init(0, 0));
    const { handler } = this.#functions;
    this.#check('MPI_Comm_set_errhandler', handler(this.#world, this.#errorsReturn));
  }

  rank(): number {
    this.#check('MPI_Comm_rank', this.#functions.rank(this.#world, this.#flag));
    return this.#flag[0]!;
  }

  size(): number {
    this.#check('MPI_Comm_size', this.#functions.size(this.#world, this.#flag));
    return this.#flag[0]!;
  }

  broadcast(bytes: Uint8Array): Pending {
    return this.#start('MPI_Ibcast', [bytes], (request) =>
      this.#functions.broadcast(bytes, bytes.byteLength, this.#byte, 0, this.#world, request),
    );
  }

  exchange(from: Float64Array, into: Float64Array): Pending {
    const each = from.byteLength / this.size();
    return this.#start('MPI_Ialltoall', [from, into], (request) =>
      this.#functions.exchange(from, each, this.#byte, into, each, this.#byte, this.#world, request),
    );
  }

  gather(from: Float64Array, into: Float64Array): Pending {
    const each = from.byteLength;
    return this.#start('MPI_Iallgather', [from, into], (request) =>
      this.#functions.gather(from, each, this.#byte, into, each, this.#byte, this.#world, request),
    );
  }

  finalize(): void {
    this.#functions.finalize();
  }

  abort(code: number): void {
    this.#functions.abort(this.#world, code);
  }

  /** `memory` is held until the call has ended: the library reads and writes it. */
  #start(call: string, memory: readonly unknown[], begin: (request: Uint8Array) => number): Pending {
    const request = new Uint8Array(steady(REQUEST_BYTES));
    this.#check(call, begin(request));
    let held: readonly unknown[] | null = memory;
    return {
      call,
      ended: () => {
        if (held === null) return true;
        this.#check(call, this.#functions.test(request, this.#flag, this.#status));
        if (this.#flag[0] !== 0) held = null;
        return held === null;
      },
    };
  }

  #check(call: string, error: number): void {
    if (error === 0) return;
    const [text, length] = [new Uint8Array(steady(LONGEST_TEXT)), new Int32Array(steady(4))];
    this.#functions.text(error, text, length);
    const why = new TextDecoder('latin1').decode(text.subarray(0, length[0])).split('\n')[0]!.trim();
    fail(mpiFailed({ call, why: why || `error ${error}` }));
  }
}
