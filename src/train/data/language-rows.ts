import { badTemplate } from '../../ir/codes/train-data.js';
import { fail } from '../../ir/diagnostics.js';
import type { PredictedTurns } from '../../options/words.js';
import type { BadRecords } from './bad-lines.js';
import { messagesOf, renderChat, type Spans } from './chat.js';
import { type ChatMessage, ChatTemplate } from './chat-template.js';
import { type DataRow, type Rows, requireColumns, requireRows, textOf } from './records.js';
import type { WritingData, WritingTask } from './row-task.js';
import { packed, type Sequence, sequenceDataset } from './sequences.js';
import { idOf, readTokenizerConfig, type TokenizerConfig } from './special-tokens.js';

export interface LanguageTask extends WritingTask {
  readonly kind: 'text' | 'prompt' | 'chat';
  /** first and last token of an example: a token, `none`, or null: as the tokenizer and its configuration say */
  readonly bos: string | null;
  readonly eos: string | null;
  /** several examples in a row */
  readonly pack: boolean;
  /** what is predicted of prompts and conversations */
  readonly lossOn: PredictedTurns;
}

/** Tokens of an example, and which of them are predicted. */
interface Example {
  readonly ids: readonly number[];
  readonly predicted: Spans;
}

/**
 * Texts, prompts with completions, or conversations for causal language models: each example is a row of tokens whose next
 * token is predicted, or only those of completions and answers. Throws LOTR8204, LOTR8205, LOTR8209, LOTR8228.
 */
export async function languageDataset(
  records: Rows,
  task: LanguageTask,
  bad: BadRecords,
): Promise<WritingData> {
  const { kind, fields, padding, tokenizer, tokenizerFile, ignored } = task;
  const columns = {
    text: [fields.text],
    prompt: [fields.prompt, fields.completion],
    chat: [fields.messages],
  };
  requireColumns(records, columns[kind]);
  const config = readTokenizerConfig(tokenizerFile, task.from);
  const examples = new Examples(task, config, bad);
  const max = padding.fixed ?? padding.max;
  const rows: Sequence[] = [];
  for await (const record of records.rows) {
    const example = examples.of(record);
    if (example === null) continue;
    const { ids, predicted } = example;
    if (ids.length < 2 || predicted.every(([start, end]) => Math.max(start, 1) >= end)) {
      bad.add(record.line, ids.length < 2 ? 'it has fewer than two tokens' : 'nothing is left to predict');
      continue;
    }
    const split = task.pack && kind === 'text';
    const made = split ? pieces(ids, max, ignored) : [rowOf(example, max, ignored)];
    const left = made.some(({ labels }) => labels.some((label) => label !== ignored));
    if (left) for (const row of made) rows.push(row);
    else task.seen.lost++;
  }
  requireRows(records, rows.length);
  task.seen.add(rows);
  task.seen.endless ||= examples.endless;
  const form = { padding, padId: tokenizer.padId, ignored, before: !task.shift, tagged: false };
  return {
    dataset: sequenceDataset(task.pack ? packed(rows, max) : rows, form),
    files: config.files,
  };
}

/** Texts, prompts and conversations as tokens. */
class Examples {
  readonly #task: LanguageTask;
  readonly #config: TokenizerConfig;
  readonly #bad: BadRecords;
  readonly #bos: number | null;
  readonly #eos: number | null;
  #template: ChatTemplate | null = null;
  /** no token is known that ends texts or completions, and none was declined */
  endless: boolean;

  constructor(task: LanguageTask, config: TokenizerConfig, bad: BadRecords) {
    this.#task = task;
    this.#config = config;
    this.#bad = bad;
    const { kind, bos, eos, tokenizer, tokenizerFile } = task;
    const ending = eos ?? config.tokens.eos_token ?? null;
    const token = (text: string | null) =>
      text === null || text === 'none' ? null : idOf(text, tokenizer, tokenizerFile);
    // conversations begin and end as their template says
    this.#bos = kind === 'chat' ? null : token(bos);
    this.#eos = kind === 'chat' ? null : token(ending);
    this.endless = kind !== 'chat' && ending === null;
  }

  /** The example of a record; null, and a bad line, when there is none. */
  of(record: DataRow): Example | null {
    const { kind, fields, lossOn } = this.#task;
    const { value } = record;
    if (kind === 'chat') return this.#chat(record, messagesOf(value[fields.messages], fields.messages), 0);
    if (kind === 'text') {
      const text = textOf(record, fields.text, this.#bad);
      const ids = text === null ? null : this.#ended(this.#started(text));
      return ids && { ids, predicted: [[0, ids.length]] };
    }
    const [asked, answered] = [value[fields.prompt], value[fields.completion]];
    if (Array.isArray(asked) && Array.isArray(answered)) {
      this.endless = false;
      return this.#chat(record, messagesOf([...asked, ...answered], fields.prompt), asked.length);
    }
    const prompt = textOf(record, fields.prompt, this.#bad);
    const completion = prompt === null ? null : textOf(record, fields.completion, this.#bad);
    if (prompt === null || completion === null) return null;
    const ids = this.#ended(this.#started(prompt + completion));
    // a token that holds the end of the prompt and the start of the completion is predicted
    const start = lossOn === 'all' ? 0 : common(this.#started(prompt), ids);
    return { ids, predicted: [[start, ids.length]] };
  }

  #chat(record: DataRow, messages: readonly ChatMessage[] | string, from: number): Example | null {
    const { tokenizer, lossOn } = this.#task;
    const { tools, chat_template_kwargs: more } = record.value;
    const variables = { ...(tools ? { tools } : {}), ...(typeof more === 'object' ? more : {}) };
    const made =
      typeof messages === 'string'
        ? { why: messages }
        : renderChat(this.#chatTemplate(), messages, lossOn, variables, from);
    if ('why' in made) {
      this.#bad.add(record.line, made.why);
      return null;
    }
    const { text, spans } = made;
    const ids = tokenizer.plain(text);
    const place = (at: number) =>
      at === text.length ? ids.length : common(tokenizer.plain(text.slice(0, at)), ids);
    return { ids, predicted: spans.map(([start, end]) => [place(start), place(end)] as const) };
  }

  #chatTemplate(): ChatTemplate {
    const { tokenizerFile: file } = this.#task;
    const why = 'messages need a chat template, and there is none in the folder of the tokenizer';
    const source = this.#config.templates.get('default') ?? fail(badTemplate({ file, why }));
    this.#template ??= new ChatTemplate(source, this.#config.tokens, file);
    return this.#template;
  }

  #started(text: string): readonly number[] {
    const { bos, tokenizer } = this.#task;
    if (bos === 'none') return tokenizer.plain(text);
    const ids = [...tokenizer.encode(text, null, Number.MAX_SAFE_INTEGER).ids];
    return this.#bos !== null && ids[0] !== this.#bos ? [this.#bos, ...ids] : ids;
  }

  #ended(ids: readonly number[]): readonly number[] {
    return this.#eos !== null && ids.at(-1) !== this.#eos ? [...ids, this.#eos] : ids;
  }
}

/** The start of an example; its first token has none before it that could predict it. */
function rowOf({ ids, predicted }: Example, max: number, ignored: number): Sequence {
  const kept = Int32Array.from(ids.slice(0, max));
  const labels = new Int32Array(kept.length).fill(ignored);
  for (const [start, end] of predicted) {
    const first = Math.max(1, start);
    labels.set(kept.subarray(first, Math.max(first, end)), Math.min(first, kept.length));
  }
  return { ids: kept, labels, types: null, full: ids.length };
}

/** A long text in rows that overlap by one token, so that every token but the first is predicted once. */
function pieces(ids: readonly number[], max: number, ignored: number): readonly Sequence[] {
  const rows: Sequence[] = [];
  for (let start = 0; start < ids.length - 1; start += max - 1) {
    const part = ids.slice(start, start + max);
    rows.push(rowOf({ ids: part, predicted: [[1, part.length]] }, max, ignored));
  }
  return rows;
}

/** How many elements two lists have in common from the start. */
function common(a: readonly number[], b: readonly number[]): number {
  const end = Math.min(a.length, b.length);
  for (let i = 0; i < end; i++) if (a[i] !== b[i]) return i;
  return end;
}
