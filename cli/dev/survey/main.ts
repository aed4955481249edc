import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Row } from './one.js';

/** a file that takes longer than this has hung */
const LIMIT_MS = 120_000;
const COLUMNS = ['loads', 'round trip', 'sites', 'rewrites', 'equals base', 'trains'] as const;

/** `npm run survey -- FOLDER...`: a Markdown table of what lotrc does with every ONNX file of these folders. */
function main(folders: readonly string[]): void {
  if (folders.length === 0) {
    process.stderr.write('usage: npm run survey -- FOLDER...\n');
    process.exitCode = 2;
    return;
  }
  const lines = [`| file | ${COLUMNS.join(' | ')} |`, `|---|${COLUMNS.map(() => '---').join('|')}|`];
  process.stdout.write(`${lines.join('\n')}\n`);
  let faults = 0;
  let files = 0;
  for (const folder of folders) {
    for (const file of modelsIn(folder)) {
      const row = surveyed(file);
      const cells = COLUMNS.map((column) => row[column] ?? '-');
      if (cells.some((cell) => cell.startsWith('FAULT'))) faults++;
      files++;
      const name = relative(resolve(folder, '..'), file);
      process.stdout.write(`| ${[name, ...cells].map(escaped).join(' | ')} |\n`);
    }
  }
  process.stdout.write(`\n${files} files, ${faults} with a fault.\n`);
  if (faults > 0) process.exitCode = 1;
}

function surveyed(file: string): Row {
  const script = fileURLToPath(new URL('./one.js', import.meta.url));
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [script, file], {
    encoding: 'utf8',
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  if (status === 0) return JSON.parse(stdout) as Row;
  const last = stderr.trim().split('\n').at(-1) ?? '';
  return { loads: `FAULT: ${signal ?? `exit ${status}`} ${last}` };
}

function modelsIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.onnx'))
    .sort()
    .map((name) => join(resolve(folder), name))
    .filter((path) => statSync(path).isFile());
}

function escaped(cell: string): string {
  return cell.replace(/\s+/g, ' ').replaceAll('|', '\\|');
}

main(process.argv.slice(2));
