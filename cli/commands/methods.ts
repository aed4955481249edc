import { descriptionText } from '../../src/adapter/description-text.js';
import { METHODS } from '../../src/adapter/methods/index.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { METHODS_SHOWN } from '../../src/options/sets/models.js';
import { methodNamed } from '../../src/rewrite-values.js';
import type { Run } from '../program.js';
import { table } from '../text.js';

/** The adapter methods; of one, the description that `--method FILE.json` takes. */
export function methodsCommand(
  name: string | undefined,
  options: ValuesOf<typeof METHODS_SHOWN>,
  run: Run,
): void {
  if (name !== undefined) {
    run.io.out(descriptionText(methodNamed(name)));
    return;
  }
  const all = [...METHODS.values()];
  if (options.json) {
    run.io.out(`${JSON.stringify({ version: 1, methods: all }, null, 2)}\n`);
    return;
  }
  const rows = all.map(({ method, delta, factors }) => [
    method,
    delta,
    factors.map((factor) => `${factor.name}: ${factor.share}, ${factor.mode}`).join('; '),
  ]);
  run.io.out(table([['method', 'delta', 'factors'], ...rows]));
}
