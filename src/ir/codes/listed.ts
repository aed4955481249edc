/** The first names of a list for a message, with `, ...` where there are more than `most`. */
export function listed(names: readonly string[], most = 4): string {
  return names.slice(0, most).join(', ') + (names.length > most ? ', ...' : '');
}
