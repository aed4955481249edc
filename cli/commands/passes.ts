import { unknownPass } from '../../src/ir/codes/passes.js';
import { closest, fail } from '../../src/ir/diagnostics.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { PASSES } from '../../src/options/sets/models.js';
import { printValue } from '../../src/passes/option-text.js';
import type { PassFactory } from '../../src/passes/pass.js';
import { ALL_PASSES } from '../../src/passes/registry.js';
import type { Run } from '../program.js';

/** Every pass with its options and their defaults. */
export function passesCommand(name: string | undefined, options: ValuesOf<typeof PASSES>, run: Run): void {
  const shown = name === undefined ? ALL_PASSES : [find(name)];
  if (options.json) {
    const rows = shown.map((pass) => ({
      name: pass.passName,
      summary: pass.summary,
      requires: pass.requires,
      ensures: pass.ensures,
      options: optionsOf(pass),
    }));
    run.io.out(`${JSON.stringify({ version: 1, passes: rows }, null, 2)}\n`);
    return;
  }
  for (const pass of shown) {
    run.io.out(`${pass.passName}\n    ${pass.summary}\n`);
    if (pass.requires.length > 0) run.io.out(`    requires: ${pass.requires.join(', ')}\n`);
    if (pass.ensures.length > 0) run.io.out(`    ensures: ${pass.ensures.join(', ')}\n`);
    for (const row of optionsOf(pass)) {
      const given = row.default === null ? '' : `  [default ${row.default}]`;
      run.io.out(`    ${row.name}  ${row.doc}${given}\n`);
    }
  }
}

function optionsOf({ options }: PassFactory): { name: string; doc: string; default: string | null }[] {
  return Object.entries(options).map(([name, { type, doc, default: usual }]) => ({
    name,
    doc: type.schema.enum === undefined ? doc : `${doc} (${type.schema.enum.join(', ')})`,
    default: usual === undefined ? null : printValue(type, usual),
  }));
}

function find(name: string): PassFactory {
  const found = ALL_PASSES.find((pass) => pass.passName === name);
  const near = closest(
    name,
    ALL_PASSES.map((pass) => pass.passName),
  );
  return found ?? fail(unknownPass({ name, near }));
}
