import { mpiOther, notLaunched } from '../../../ir/codes/distributed.js';
import { fail } from '../../../ir/diagnostics.js';
import { MpiGroup } from './group.js';
import { launchOf } from './launcher.js';
import { loadMpi } from './library.js';

/** A group, and how this process leaves it. */
export interface Membership {
  readonly group: MpiGroup;
  /** Leaves the group when all ranks do. A process that ends without it ends the others too. */
  leave(): Promise<void>;
}

/**
 * Joins the processes that mpirun started. `seconds`: how long to wait for the others in one call. Throws LOTR8260 outside
 * mpirun, LOTR8264 when the library is not that of mpirun, and what `loadMpi` throws.
 */
export async function joinMpi(seconds: number): Promise<Membership> {
  const launch = launchOf(process.env) ?? fail(notLaunched({}));
  const library = await loadMpi(launch, process.env);
  library.init();
  // whatever ends this process ends the job: the others would wait for it
  const abort = (code: number): void => library.abort(code || 1);
  process.on('exit', abort);
  const group = new MpiGroup(library, seconds);
  const { size } = group;
  if (launch.size !== null && launch.size !== size)
    fail(mpiOther({ library: library.name, size, launched: launch.size }));
  return {
    group,
    leave: async () => {
      await group.gather(Float64Array.of(0));
      process.off('exit', abort);
      library.finalize();
    },
  };
}
