// Dawn's package for Node asks again and again whether work is over, by setImmediate, which keeps a core busy while the driver
// compiles on the same cores. Import this first: it asks once in a millisecond.
import process from 'node:process';

if (!process.versions.deno) globalThis.setImmediate = (work, ...given) => setTimeout(work, 1, ...given);
