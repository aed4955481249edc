import { unknownCode } from '../../src/ir/codes/cli.js';
import '../../src/backends/codes/index.js';
import '../../src/ir/codes/index.js';
import { allCodes, type CodeInfo, closest, fail } from '../../src/ir/diagnostics.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { EXPLAIN } from '../../src/options/sets/models.js';
import type { Run } from '../program.js';
import { wrap } from '../wrap.js';

/** The long text of one code, or one line per code. */
export function explainCommand(word: string | undefined, options: ValuesOf<typeof EXPLAIN>, run: Run): void {
  const { io } = run;
  const codes = allCodes();
  const shown = word === undefined ? codes : [find(word, codes)];
  if (options.json) {
    const rows = shown.map(({ code, severity, title, explain }) => ({ code, severity, title, explain }));
    io.out(`${JSON.stringify({ version: 1, codes: rows }, null, 2)}\n`);
  } else if (word === undefined) {
    for (const { code, severity, title } of codes) io.out(`${code}  ${severity.padEnd(7)}  ${title}\n`);
  } else {
    const { code, severity, title, explain } = shown[0]!;
    io.out(`${severity} ${code}: ${title}\n\n${wrap(explain, 100)}\n`);
  }
}

function find(word: string, codes: readonly CodeInfo[]): CodeInfo {
  const wanted = /^\d+$/.test(word) ? `LOTR${word}` : word.toUpperCase();
  const found = codes.find(({ code }) => code === wanted);
  const near = closest(
    wanted,
    codes.map(({ code }) => code),
  );
  return found ?? fail(unknownCode({ word, near }));
}
