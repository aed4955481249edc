import { createHash } from 'node:crypto';
import { relative, resolve, sep } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Platform, Sha256 } from './platform.js';

/** {@link Platform} in Node. */

export { basename, dirname, extname, join } from 'node:path';
export { diskFiles } from '../ir/files/disk-files.js';
export { folderOf } from '../ir/files/disk-folder.js';
export { heapIsFull, heapLimit } from './heap-limit.js';
export { unpacker } from './unpacker.js';
export { withinTime } from './within-time.js';

export const sha256 = (): Sha256 => createHash('sha256');

export const sameBytes: Platform['sameBytes'] = (a, b) => Buffer.compare(a, b) === 0;

// the method takes any bytes, and making a Buffer of them would cost more than it
export const asciiText: Platform['asciiText'] = (bytes, from, to) =>
  Buffer.prototype.latin1Slice.call(bytes, from, to);

export const locationFrom: Platform['locationFrom'] = (folder, path) =>
  relative(resolve(folder), resolve(path)).split(sep).join('/');

// timers of 0 ms would wait for 1
export const nextTurn: Platform['nextTurn'] = () => setImmediate();
