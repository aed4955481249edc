// Dawn's package for Node asks again and again whether work is over, by setImmediate, which keeps a core busy while the driver
// compiles on the same cores. Import this first: it asks once in a millisecond.
import process from 'node:process';

if (!process.versions.deno) globalThis.setImmediate = (work, ...given) => setTimeout(work, 1, ...given);

/**
 * Flags of Dawn on SwiftShader, which makes a store of every element of workgroup memory that it is to fill with zeros, and compiles
 * them for seconds: Dawn then has a loop that fills it, as on drivers that cannot.
 */
export const FLAGS = ['disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension'];
