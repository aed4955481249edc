import { planText } from '../../cli/report.js';
import { type TextChange, textChanges } from '../../cli/text-changes.js';
import { encodeModel, type Model, type OpenedModel, openModel, printModel, rewrite } from '../../src/core.js';
import { rewriteOptionsOf } from '../../src/rewrite-values.js';
import type { RewriteView, Texts } from '../protocol.js';
import { valuesIn } from './fields.js';
import type { Project } from './project.js';

/** A model with the adapters that values ask for, as `lotrc rewrite` writes it. */
export interface Adapted {
  /** the values that it was made with */
  readonly key: string;
  readonly opened: OpenedModel;
  readonly view: RewriteView;
}

/** Lines of changes that are shown, and characters of a line. */
const MOST = 400;
const WIDTH = 400;

/** Throws LOTR8001 for values that are none, and as `rewrite` does. */
export async function adaptedOf(project: Project, texts: Texts): Promise<Adapted> {
  const options = rewriteOptionsOf(valuesIn('rewrite', texts));
  const model = project.base.read();
  const before = printed(model);
  const { plan, diagnostics } = rewrite(model, {
    ...options,
    reload: () => project.base.read(),
    print: printed,
  });
  const changes = textChanges(before, printed(model));
  const opened = await openModel(encodeModel(model), { name: `${project.stem}.lotr.onnx` });
  const view: RewriteView = {
    summary: planText(plan),
    changes: changes.slice(0, MOST).map(cutLines),
    more: Math.max(0, changes.length - MOST),
    notes: diagnostics,
  };
  return { key: JSON.stringify(texts), opened, view };
}

/** As `--print-ir-after` prints it. */
const printed = (model: Model): string => printModel(model, { locations: false });

function cutLines({ before, after }: TextChange): RewriteView['changes'][number] {
  const cut = (text: string | null) =>
    text !== null && text.length > WIDTH ? `${text.slice(0, WIDTH)} ... (${text.length} characters)` : text;
  return { before: cut(before), after: cut(after) };
}
