import { count, num } from '../../cli/text.js';
import { SourceFiles } from '../../src/core/source-files.js';
import { openSource } from '../../src/core/sources.js';
import { inspect, inspectTotals, type OpenedModel, openModel } from '../../src/core.js';
import type { ByteSource } from '../../src/ir/carried.js';
import { refuseUsage } from '../../src/options/usage.js';
import type { FileView, LayerView, ProjectView, Role } from '../protocol.js';

/** The files that the page was given, and what each is for. */
export interface Project {
  readonly files: ReadonlyMap<string, File>;
  readonly roles: ReadonlyMap<string, Role>;
  readonly base: OpenedModel;
  /** the name of the model without its ending */
  readonly stem: string;
  /** the rest, by their names: data, tokenizer, files beside them */
  readonly named: SourceFiles;
}

/** Opens the model among files. Throws LOTR8001 when there is none, and as `openModel` does. */
export async function openProject(
  files: ReadonlyMap<string, File>,
  roles: ReadonlyMap<string, Role>,
): Promise<Project> {
  const name =
    nameWith(roles, 'model') ?? refuseUsage('there is no model among the files: give an .onnx file');
  const rest = [...files].filter(([other]) => other !== name);
  const sources = new Map<string, ByteSource>();
  for (const [other, file] of rest) sources.set(other, await openSource(file, other));
  const base = await openModel(files.get(name)!, { name, files: Object.fromEntries(rest) });
  return { files, roles, base, stem: name.replace(/\.onnx$/, ''), named: new SourceFiles(sources) };
}

/** The file of a role; null when none has it. */
export function nameWith(roles: ReadonlyMap<string, Role>, role: Role): string | null {
  return [...roles].find(([, own]) => own === role)?.[0] ?? null;
}

const DATA = /\.(txt|text|jsonl|ndjson|csv|tsv|parquet)$/i;
const HELD_BACK = /(^|[^a-z])(val|valid|validation|test|eval|dev)([^a-z]|$)/i;

/** What files are for by their names; the user may say otherwise. */
export function rolesOf(names: readonly string[]): ReadonlyMap<string, Role> {
  const roles = new Map<string, Role>(names.map((name) => [name, 'beside']));
  const first = (role: Role, ...kinds: readonly ((name: string) => boolean)[]): void => {
    const free = names.filter((name) => roles.get(name) === 'beside');
    const found = kinds.map((fits) => free.find(fits)).find((name) => name !== undefined);
    if (found !== undefined) roles.set(found, role);
  };
  const isData = (name: string) => DATA.test(name);
  // a file of another kind is read as a model, whose reader says what it is
  first(
    'model',
    (name) => /\.onnx$/i.test(name),
    (name) => !isData(name) && !/\.json$/i.test(name),
  );
  first('data', (name) => isData(name) && !HELD_BACK.test(name), isData);
  first('evaluation', (name) => isData(name) && HELD_BACK.test(name));
  first(
    'tokenizer',
    (name) => /^tokenizer\.json$/i.test(name),
    (name) => /\.json$/i.test(name) && !/config|special|map/i.test(name),
  );
  return roles;
}

/** The files, the layers of the model, and what adapters would cost. Throws as `inspect` and the reader of models. */
export function viewOf({ files, roles, base }: Project, texts: ProjectView['texts']): ProjectView {
  const report = inspect(base.read());
  const totals = inspectTotals(report);
  return {
    files: [...files].map(([name, { size }]): FileView => ({ name, bytes: size, role: roles.get(name)! })),
    layers: report.sites.map(
      ({ module, op, in: inn, out, dtype, adaptable }): LayerView => ({
        module,
        op,
        size: `${inn ?? '?'} x ${out ?? '?'}`,
        dtype,
        refused: adaptable === true ? null : `${adaptable.code}: ${adaptable.reason}`,
      }),
    ),
    summary: `${count(totals.sites, 'linear layer')}, ${num(totals.adaptable)} adaptable, ${num(totals.parameters)} parameters`,
    texts,
  };
}
