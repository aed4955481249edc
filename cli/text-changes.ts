import { count } from './text.js';

/** What a line of a model's text is of. */
type Section = 'adapters' | 'files' | 'nodes' | 'tensors' | 'others';

/** A line that is in one text only, or one that has another form in the other. */
export interface TextChange {
  readonly section: Section;
  readonly before: string | null;
  readonly after: string | null;
}

interface Line {
  readonly section: Section;
  /** what the line is of: a node, a tensor, a group */
  readonly subject: string;
  readonly text: string;
}

/** `[name] outputs = Op <...> (...)`; the start of the text form of a model is `<`. */
const NODE = /^(?:\[("(?:[^"\\]|\\.)*"|[^\]]+)\] )?(.*?) ?= (?:[^\s()<>]+\.)?\w+(?::\S+)? [<(]/;
/** a line of the expected files of a folder */
const FILE = / bytes {2}sha256:[0-9a-f]+$/;
const TENSOR = /^\S+ ("(?:[^"\\]|\\.)*"|\S+) = /;

/** Lines that one of two texts of models has and the other has not, in the order of the texts; the order of lines is ignored. */
export function textChanges(a: string, b: string): readonly TextChange[] {
  const [before, after] = [linesOf(a), linesOf(b)];
  const gone = without(before, after);
  const come = without(after, before);
  const key = ({ section, subject }: Line) => `${section} ${subject}`;
  const bySubject = new Map<string, Line[]>();
  for (const line of come) bySubject.set(key(line), [...(bySubject.get(key(line)) ?? []), line]);
  const changes = gone.map(({ section, text, ...line }): TextChange => {
    const other = bySubject.get(key({ section, text, ...line }))?.shift();
    return { section, before: text, after: other?.text ?? null };
  });
  const added = come.filter((line) => bySubject.get(key(line))?.includes(line));
  return [...changes, ...added.map(({ section, text }) => ({ section, before: null, after: text }))];
}

/** Lines of one section that are shown, and characters of a line. */
const MOST = 8;
const WIDTH = 110;

/** Changes as text that fits on a screen: how many there are, and the first of each section; '' for none. */
export function changesText(changes: readonly TextChange[]): string {
  const sections: readonly Section[] = ['adapters', 'files', 'nodes', 'tensors', 'others'];
  return sections
    .map((section) => {
      const own = changes.filter((change) => change.section === section);
      if (own.length === 0) return '';
      const numbers = [
        ['changed', own.filter(({ before, after }) => before !== null && after !== null).length],
        ['removed', own.filter(({ after }) => after === null).length],
        ['added', own.filter(({ before }) => before === null).length],
      ] as const;
      const head = numbers.filter(([, n]) => n > 0).map(([what, n]) => `${n} ${what}`);
      const lines = own.flatMap(pair);
      const more = lines.length - MOST;
      const shown = lines.slice(0, MOST).map((line) => `  ${line}\n`);
      const rest = more > 0 ? `  ... and ${count(more, 'more line')}\n` : '';
      return `${section}: ${head.join(', ')}\n${shown.join('')}${rest}`;
    })
    .join('');
}

/** Both forms of a line from a little before the first difference on, where they are long. */
function pair({ before, after }: TextChange): readonly string[] {
  const a = before ?? '';
  const b = after ?? '';
  let same = 0;
  while (same < Math.min(a.length, b.length) && a[same] === b[same]) same++;
  const start = before === null || after === null || Math.max(a.length, b.length) <= WIDTH ? 0 : same;
  const cut = (text: string): string => {
    const from = start < 60 ? text : `${text.slice(0, 30)} ... ${text.slice(start - 20)}`;
    return from.length <= WIDTH ? from : `${from.slice(0, WIDTH - 4)} ...`;
  };
  return [...(before === null ? [] : [`- ${cut(a)}`]), ...(after === null ? [] : [`+ ${cut(b)}`])];
}

function linesOf(text: string): readonly Line[] {
  let inModel = false;
  return text.split('\n').flatMap((raw): Line[] => {
    // the last of a list has no comma; columns are as wide as the widest cell
    const line = raw.trim().replace(/,$/, '').replace(/ {2,}/g, '  ');
    if (line === '') return [];
    if (raw === '<') inModel = true;
    if (!inModel) {
      const subject = line.replace(/(?: {2}|: ).*$/, '');
      if (FILE.test(line)) return [{ section: 'files', subject, text: line }];
      return [{ section: 'adapters', subject: /^\w+: \d/.test(line) ? 'method' : subject, text: line }];
    }
    const node = NODE.exec(line);
    if (node) return [{ section: 'nodes', subject: node[1] ?? node[2] ?? '', text: line }];
    const tensor = TENSOR.exec(line);
    if (tensor) return [{ section: 'tensors', subject: tensor[1]!, text: line }];
    return [{ section: 'others', subject: line.replace(/:.*$/, ''), text: line }];
  });
}

/** The lines that a list has more often than the other. */
function without(lines: readonly Line[], others: readonly Line[]): readonly Line[] {
  const left = new Map<string, number>();
  const key = ({ section, text }: Line) => `${section} ${text}`;
  for (const line of others) left.set(key(line), (left.get(key(line)) ?? 0) + 1);
  return lines.filter((line) => {
    const n = left.get(key(line)) ?? 0;
    if (n > 0) left.set(key(line), n - 1);
    return n === 0;
  });
}
