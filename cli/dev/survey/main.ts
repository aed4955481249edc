import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { surveyFile } from './file.js';
import { faults, report, type Surveyed } from './table.js';

/** files surveyed at the same time */
const ABREAST = 2;

/**
 * `npm run survey -- FILE|FOLDER...`: prints, as Markdown, what lotrc does with every ONNX file given or below the folders
 * given. The exit code is 1 when one shows a bug in lotrc, 2 when nothing was given.
 */
async function main(paths: readonly string[]): Promise<void> {
  const files = paths.flatMap(modelsAt);
  if (files.length === 0) {
    process.stderr.write('usage: npm run survey -- FILE|FOLDER...\n');
    process.exitCode = 2;
    return;
  }
  const surveyed: Surveyed[] = new Array<Surveyed>(files.length);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let mine = next++; mine < files.length; mine = next++) {
      const { file, path } = files[mine]!;
      surveyed[mine] = { file, row: await surveyFile(path) };
      if (process.stderr.isTTY) process.stderr.write(`\r${next} of ${files.length} `);
    }
  };
  await Promise.all(Array.from({ length: ABREAST }, work));
  process.stdout.write(`${report(surveyed)}\n`);
  if (faults(surveyed) > 0) process.exitCode = 1;
}

/** A file itself, or the models below a folder in the order of their names; called as the folder's parent sees them. */
function modelsAt(path: string): readonly { readonly file: string; readonly path: string }[] {
  if (statSync(path).isFile()) return [{ file: basename(path), path: resolve(path) }];
  const from = dirname(resolve(path));
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.onnx'))
    .sort()
    .map((name) => join(resolve(path), name))
    .filter((file) => statSync(file).isFile())
    .map((file) => ({ file: relative(from, file), path: file }));
}

await main(process.argv.slice(2));
