import { closeSync, constants, fstatSync, lstatSync, openSync, rmSync } from 'node:fs';
import { cannotWrite } from '../codes/load.js';
import { fail } from '../diagnostics.js';

/**
 * Opens a file that grows while a command runs. With `goOn` the file at the path is opened; otherwise a new one takes its place.
 * Links are not followed, and devices, pipes and files with a second name are refused: what a stranger put into the folder
 * leads to no other file. Throws LOTR1201, and errors of the system.
 */
export function openOwn(path: string, goOn: boolean): number {
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
  const before = lstatSync(path, { throwIfNoEntry: false });
  if (before && !before.isFile()) {
    fail(
      cannotWrite({
        file: path,
        why: before.isSymbolicLink() ? 'it is a symbolic link' : 'it is not a regular file',
      }),
    );
  }
  if (!goOn) {
    rmSync(path, { force: true });
    return openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o666);
  }
  const fd = openSync(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  const stat = fstatSync(fd);
  if (stat.isFile() && stat.nlink === 1) return fd;
  closeSync(fd);
  return fail(cannotWrite({ file: path, why: 'another name leads to the same file' }));
}
