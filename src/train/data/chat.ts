import { LotrcError } from '../../ir/diagnostics.js';
import type { PredictedTurns } from '../../options/words.js';
import type { ChatMessage, ChatTemplate, Rendered } from './chat-template.js';

/** Characters that are rendered or made into tokens once more to find the ends of all answers of a conversation. */
const MAX_REPEATED = 2 ** 26;

/** Stretches of a text. */
export type Spans = readonly (readonly [start: number, end: number])[];

/** A conversation as text with the stretches that are to be predicted, or why it cannot be used. */
export type Conversation = { readonly text: string; readonly spans: Spans } | { readonly why: string };

/**
 * Renders a conversation. What the assistant says is what the template marks as generated, or, where it marks nothing, what
 * each of its messages adds to the conversation before it and the generation prompt. `answers`: all of these; `last`: the
 * last one; `all`: the whole text. Messages before number `from` are never predicted.
 */
export function renderChat(
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  loss: PredictedTurns,
  more: ChatMessage,
  from = 0,
): Conversation {
  try {
    const whole = template.render(messages, false, more);
    const { text } = whole;
    if (/[\ue000\ue001]/.test(JSON.stringify(messages)))
      return { why: 'a message has a character for private use' };
    if (loss === 'all') return { text, spans: [[0, text.length]] };
    const turns = messages.flatMap(({ role }, i) => (role === 'assistant' && i >= from ? [i] : []));
    if (turns.length === 0) return { why: 'no message is of the role "assistant"' };
    const chosen = loss === 'last' ? turns.slice(-1) : turns;
    if (2 * chosen.length * text.length > MAX_REPEATED)
      return { why: `${chosen.length} answers in a text of ${text.length} characters take too long` };
    if (template.marks) {
      if (whole.generated.length < turns.length)
        return { why: `the template marks ${whole.generated.length} answers of ${turns.length}` };
      return { text, spans: whole.generated.slice(-chosen.length) };
    }
    const spans: [number, number][] = [];
    for (const turn of chosen) {
      const before: Rendered = template.render(messages.slice(0, turn), true, more);
      const after: Rendered = template.render(messages.slice(0, turn + 1), false, more);
      if (!after.text.startsWith(before.text)) {
        const why = `the template does not write message ${turn + 1} after its generation prompt`;
        return { why: `${why}: --loss-on all, or a template with {% generation %}, can use it` };
      }
      if (!text.startsWith(after.text)) {
        const why = `the template writes message ${turn + 1} differently when others follow it`;
        return { why: `${why}: --loss-on last or all, or a template with {% generation %}, can use it` };
      }
      spans.push([before.text.length, after.text.length]);
    }
    return { text, spans };
  } catch (error) {
    // a template that does not end would take its time for every record
    if (error instanceof LotrcError) throw error;
    return { why: `the chat template cannot render it: ${(error as Error).message}` };
  }
}

/** Messages of a record: a list of objects with a role. Returns a text that says what is wrong. */
export function messagesOf(value: unknown, field: string): readonly ChatMessage[] | string {
  if (!Array.isArray(value) || value.length === 0) return `"${field}" is not a list of messages`;
  const odd = (value as readonly unknown[]).findIndex(
    (message) => typeof message !== 'object' || message === null || !('role' in message),
  );
  return odd < 0 ? (value as readonly ChatMessage[]) : `message ${odd + 1} of "${field}" has no "role"`;
}
