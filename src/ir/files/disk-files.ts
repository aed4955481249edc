import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { FileSource, identity } from './file-source.js';
import type { NamedFiles } from './named-files.js';
import { AT_ONCE, readRegular } from './regular.js';

const CHUNK = 1 << 18;

/** Files at paths. */
export const diskFiles: NamedFiles = {
  has: existsSync,
  read: (path) => readRegular(path),
  source: (path) => new FileSource(path),
  async open(path, regularOnly) {
    const handle = await open(path, regularOnly ? AT_ONCE : 'r');
    try {
      const before = await handle.stat({ bigint: true });
      return {
        size: before.isFile() ? Number(before.size) : null,
        async next() {
          const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafeSlow(CHUNK), 0, CHUNK, null);
          return buffer.subarray(0, bytesRead);
        },
        async unchanged() {
          return !before.isFile() || identity(await handle.stat({ bigint: true })) === identity(before);
        },
        close: () => handle.close(),
      };
    } catch (error) {
      await handle.close();
      throw error;
    }
  },
};
