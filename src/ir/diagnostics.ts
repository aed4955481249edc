import { visible } from './visible.js';

/**
 * Diagnostics are data: a code, a severity, a message, a place, notes and a hint that says what to do.
 * Each code is declared once, with `defineCode`, in `src/ir/codes/*.ts`; the declaration is also its constructor.
 * Ranges: 1xxx load and save, 2xxx verify, 3xxx sites and adapters, 4xxx passes and gradients, 5xxx training back
 * end, 6xxx kernels, 7xxx adapter files, 8xxx command line and host, 9xxx internal.
 */
export type Severity = 'error' | 'warning' | 'remark';
export type Code = `LOTR${number}`;

export type Place =
  | { readonly kind: 'node'; readonly path: readonly string[]; readonly op: string; readonly input?: number }
  | { readonly kind: 'value' | 'tensor'; readonly name: string }
  | { readonly kind: 'bytes'; readonly file: string; readonly offset: number }
  | { readonly kind: 'text'; readonly file: string; readonly line: number; readonly column: number }
  | { readonly kind: 'file'; readonly file: string };

export interface Note {
  readonly message: string;
  readonly at?: Place;
}

export interface Diagnostic {
  readonly code: Code;
  readonly severity: Severity;
  readonly message: string;
  readonly at?: Place;
  readonly notes?: readonly Note[];
  readonly hint?: string;
}

/** What a code's constructor may say about one occurrence. */
export interface Occurrence {
  readonly message: string;
  readonly at?: Place | undefined;
  readonly notes?: readonly Note[] | undefined;
  readonly hint?: string | undefined;
}

export interface CodeInfo {
  readonly code: Code;
  readonly severity: Severity;
  /** one line: what the code means in general */
  readonly title: string;
  /** the long text of `lotrc explain CODE` */
  readonly explain: string;
}

export interface CodeDef<P> extends Pick<CodeInfo, 'code' | 'severity'> {
  (params: P): Diagnostic;
}

type CodeText = Pick<CodeInfo, 'title' | 'explain'>;

const registry = new Map<Code, Pick<CodeInfo, 'code' | 'severity'> & Partial<CodeText>>();

/**
 * Declares a code and returns its constructor. Throws when the code is declared twice. Bundlers may leave codes out that their program
 * never makes. Codes that `lotrc/runtime` makes have their texts apart (`explainCode`).
 */
/*#__NO_SIDE_EFFECTS__*/
export function defineCode<P>(
  def: Pick<CodeInfo, 'code' | 'severity'> & Partial<CodeText> & { make: (params: P) => Occurrence },
): CodeDef<P> {
  if (registry.has(def.code)) throw new Error(`diagnostic ${def.code} is declared twice`);
  const { code, severity, make, ...text } = def;
  registry.set(code, { code, severity, ...text });
  const construct = (params: P): Diagnostic => {
    const { message, at, notes, hint } = make(params);
    return {
      code,
      severity,
      message,
      ...(at ? { at } : {}),
      ...(notes && notes.length > 0 ? { notes } : {}),
      ...(hint ? { hint } : {}),
    };
  };
  return Object.assign(construct, { code, severity });
}

/** Says what a code means. Apart from its declaration, so that bundles of pages, which explain no codes, leave the texts out. */
/*#__NO_SIDE_EFFECTS__*/
export function explainCode({ code }: Pick<CodeInfo, 'code'>, text: CodeText): void {
  Object.assign(registry.get(code)!, text);
}

/** Every declared code, sorted. Import `codes/index.js`, and that of the back ends, first so that all are declared. */
export function allCodes(): readonly CodeInfo[] {
  return ([...registry.values()] as CodeInfo[]).sort((a, b) => a.code.localeCompare(b.code));
}

/** The error that carries diagnostics to the caller. Its message is the formatted text. */
export class LotrcError extends Error {
  readonly diagnostics: readonly Diagnostic[];
  constructor(diagnostics: Diagnostic | readonly Diagnostic[]) {
    const list = Array.isArray(diagnostics)
      ? (diagnostics as readonly Diagnostic[])
      : [diagnostics as Diagnostic];
    super(list.map(formatDiagnostic).join('\n'));
    this.name = 'LotrcError';
    this.diagnostics = list;
  }
}

/** Throws the diagnostic. For use in expressions. */
export function fail(diagnostic: Diagnostic): never {
  throw new LotrcError(diagnostic);
}

export function textOfPlace(at: Place): string {
  switch (at.kind) {
    case 'node':
      return `${at.path.map((part) => JSON.stringify(part)).join(' / ')} (${at.op})${at.input === undefined ? '' : ` input ${at.input}`}`;
    case 'value':
      return `value ${JSON.stringify(at.name)}`;
    case 'tensor':
      return `tensor ${JSON.stringify(at.name)}`;
    case 'bytes':
      return `${at.file} at byte ${at.offset}`;
    case 'text':
      return `${at.file}:${at.line}:${at.column}`;
    case 'file':
      return at.file;
  }
}

/**
 * The text form: `error LOTR3104: message`, then `-->` place, `note:` and `hint:` lines. Names in them come from files:
 * what a terminal would act on is escaped, and each part stays on its line.
 */
export function formatDiagnostic(d: Diagnostic): string {
  const lines = [`${d.severity} ${d.code}: ${d.message}`];
  if (d.at) lines.push(`  --> ${textOfPlace(d.at)}`);
  for (const note of d.notes ?? []) {
    lines.push(`  note: ${note.message}${note.at ? ` (${textOfPlace(note.at)})` : ''}`);
  }
  if (d.hint) lines.push(`  hint: ${d.hint}`);
  return lines.map(visible).join('\n');
}

/**
 * The up to `count` candidates nearest to `word`, for "did you mean" hints: those that contain it or are contained, and
 * those within an edit distance of 0.4 times its length, plus one. Beyond that a suggestion would mislead.
 */
export function closest(word: string, candidates: Iterable<string>, count = 3): string[] {
  const scored: { name: string; score: number }[] = [];
  const needle = word.toLowerCase();
  const limit = Math.floor(needle.length * 0.4) + 1;
  for (const name of new Set(candidates)) {
    const hay = name.toLowerCase();
    const [short, long] = needle.length < hay.length ? [needle, hay] : [hay, needle];
    // a fragment of one or two letters lies in nearly every word and says nothing
    const score = short.length > 2 && long.includes(short) ? 0 : editDistance(needle, hay);
    if (score <= limit) scored.push({ name, score });
  }
  return scored
    .sort((a, b) => a.score - b.score || (a.name < b.name ? -1 : 1))
    .slice(0, count)
    .map((entry) => entry.name);
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitute, previous[j]! + 1, row[j - 1]! + 1));
    }
    previous = row;
  }
  return previous[b.length]!;
}
