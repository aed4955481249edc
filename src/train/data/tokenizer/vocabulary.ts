import type { Part } from './part.js';

/** What turns one piece of text into token ids. */
export interface TokenModel {
  /** the number of tokens in its vocabulary */
  readonly size: number;
  idOf(token: string): number | undefined;
  /** Appends the ids of a piece. */
  encode(piece: string, into: number[]): void;
}

/** The field "vocab": {token: id}. Every id is a whole number of at least 0. */
export function vocabularyOf(part: Part): ReadonlyMap<string, number> {
  const value = part.get('vocab');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return part.refuse('"vocab" is not an object of tokens and ids');
  }
  const ids = new Map<string, number>();
  for (const [token, id] of Object.entries(value as Readonly<Record<string, unknown>>)) {
    if (!isId(id)) part.refuse(`the id of the token ${JSON.stringify(token)} is not a whole number`);
    ids.set(token, id as number);
  }
  return ids;
}

/** Whether a value can be a token id: a whole number that fits 32 bits. */
export const isId = (id: unknown): id is number =>
  Number.isInteger(id) && (id as number) >= 0 && (id as number) < 2 ** 31;
