import { combined } from '../../src/interop/combine.js';
import { convertLora, foreignOf, formatOf } from '../../src/interop/convert.js';
import { leftOutOf } from '../../src/interop/foreign.js';
import { filesOfAdapter, openAdapter } from '../../src/interop/open.js';
import { toLora } from '../../src/interop/to-lora.js';
import { cannotCombine } from '../../src/ir/codes/interop.js';
import { fail } from '../../src/ir/diagnostics.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { COMBINE } from '../../src/options/sets/adapters.js';
import { refuseUsage } from '../../src/options/usage.js';
import { requireUse, writeConverted } from '../converted.js';
import { loadModel } from '../load.js';
import type { Run } from '../program.js';

/** Adds adapters, each times its weight. */
export function combineCommand(given: readonly string[], options: ValuesOf<typeof COMBINE>, run: Run): void {
  const { output, model: path, tolerance = null, to: form = formatOf(output), arch, headSize } = options;
  requireUse(form, options);
  // to read an adapter takes hidden layers out of the model: each has one of its own
  const modelAgain = () => (path === undefined ? null : loadModel(path));
  const adapters = given.map((text) => {
    const { file, weight } = weighted(text);
    const model = modelAgain();
    const opened = openAdapter(file, model, options);
    if (opened.kind === 'foreign') run.reporter.report(leftOutOf(opened.foreign));
    const foreign = foreignOf(opened, file, { ...options, model });
    if (foreign.weights.length > 0)
      fail(
        cannotCombine({
          why: `${file} holds ${foreign.weights.length} weights that were trained in full`,
          hint: 'a sum of two heads is neither of them: put one adapter onto the model with `lotrc apply`, and merge it',
        }),
      );
    return { file, weight, layers: foreign.layers.map((layer) => toLora(layer, tolerance)) };
  });
  const layers = combined(adapters, options);
  const converted = convertLora(layers, adapters[0]!.file, form, output, {
    ...{ arch, headSize },
    model: modelAgain(),
  });
  const inputs = [
    ...adapters.flatMap(({ file }) => filesOfAdapter(file)),
    ...(path === undefined ? [] : [path]),
  ];
  writeConverted(converted, form, inputs, options, run);
}

/** `FILE=WEIGHT`; the last `=` divides. */
function weighted(text: string): { readonly file: string; readonly weight: number } {
  const cut = text.lastIndexOf('=');
  if (cut < 0) return { file: text, weight: 1 };
  const weight = text.slice(cut + 1).trim() === '' ? Number.NaN : Number(text.slice(cut + 1));
  if (cut === 0 || !Number.isFinite(weight))
    refuseUsage(`an adapter is given as FILE=WEIGHT with a number, not ${JSON.stringify(text)}`);
  return { file: text.slice(0, cut), weight };
}
