import { readFileSync } from 'node:fs';
import { examine, type Gpu, type Job } from '../../src/backends/doctor/examine.js';

/**
 * A process of its own, because drivers may end it: `device.js FILE` runs the jobs of a file through the package `webgpu` and prints what is told as
 * JSON, a line each.
 */
const jobs = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as readonly Job[];
const { create } = await import('webgpu');
// what is not held is collected while it works
const held = { gpu: create([]) as unknown as Gpu };
Object.assign(globalThis, { held });
await examine(held.gpu, jobs, (what) => process.stdout.write(`${JSON.stringify(what)}\n`));
process.exit(0);
