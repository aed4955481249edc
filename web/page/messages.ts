import { type Diagnostic, textOfPlace } from '../../src/ir/diagnostics.js';
import { byId, made } from './elements.js';
import { Refused } from './worker-calls.js';

/** What the worker says: diagnostics, as the command line prints them. */

/** Takes away what was said before. */
export function clearMessages(): void {
  byId('messages').replaceChildren();
}

export function showDiagnostic({ severity, code, message, at, notes = [], hint }: Diagnostic): void {
  const place = at ? [made('p', { className: 'place' }, textOfPlace(at))] : [];
  const more = notes.map((note) => made('p', {}, `note: ${note.message}`));
  const what = hint ? [made('p', {}, `what to do: ${hint}`)] : [];
  const head = made('p', {}, made('strong', {}, `${severity} ${code}`), `: ${message}`);
  const close = made(
    'button',
    { type: 'button', className: 'close', ariaLabel: `Close the message ${code}` },
    '\u00d7',
  );
  const box = made('div', { className: `message ${severity}` }, close, head, ...place, ...more, ...what);
  // an error is told at once
  if (severity === 'error') box.setAttribute('role', 'alert');
  close.addEventListener('click', () => box.remove());
  byId('messages').append(box);
}

/** Shows why a call was refused; throws what is no refusal. */
export function showRefusal(error: unknown): void {
  if (!(error instanceof Refused)) throw error;
  for (const diagnostic of error.diagnostics) showDiagnostic(diagnostic);
}
