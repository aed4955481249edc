import type { KernelPlan } from '../../../kernel/model/types.js';
import { runtimeText } from '../../../runtime-text.js';
import { MODEL_TS, SEGMENTS_TS } from '../generated/runtime.js';
import { literal, type TableValue } from '../module/literal.js';
import type { SegmentRow } from './segments.js';

/** Everything that the text of model.ts depends on. */
interface ModelFacts {
  readonly plan: KernelPlan;
  readonly weightsPath: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly rows: readonly SegmentRow[];
}

/** model.ts: runs the segments of a model, with the kernels of index.ts between them. */
export function modelModule({ plan, weightsPath, inputs, outputs, rows }: ModelFacts): string {
  const trained = plan.groups.flatMap(({ factors }) =>
    factors.flatMap(({ trainable, tensors }) => (trainable ? tensors : [])),
  );
  const table = (name: string, type: string, value: TableValue): string =>
    `const ${name}: ${type} = ${literal(value, 0, `const ${name}: ${type} = `.length)};`;
  const tables = [
    '',
    runtimeText(SEGMENTS_TS, { source: false }),
    '/** Segments in the order in which they run, each followed by its regions. */',
    table('SEGMENTS', 'readonly Segment[]', rows as unknown as TableValue),
    '/** Inputs and outputs of the model. */',
    table('INPUTS', 'readonly string[]', inputs),
    table('OUTPUTS', 'readonly string[]', outputs),
    '/** Factors that an adapter file has. */',
    table('TRAINED', 'readonly string[]', [...new Set(trained)]),
    '/** What adapter files for the model agree in: others do not fit. */',
    table('AGREED', 'readonly Agreement[]', plan.description as unknown as TableValue),
    table('WEIGHTS_FILE', 'string', weightsPath),
  ];
  const packed = plan.buffers.some(({ dtype }) => dtype === 'u8');
  return runtimeText(
    MODEL_TS,
    { source: false, packed },
    { tables: tables.flatMap((text) => text.split('\n')) },
  );
}
