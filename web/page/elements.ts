/** Elements of the page. */

/** The element with an id, which the page has. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

type Child = Node | string;

/** A new element with properties and children. */
export function made<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** A row of a table; the first cell is its head. */
export function rowOf(cells: readonly Child[]): HTMLTableRowElement {
  return made(
    'tr',
    {},
    ...cells.map((cell, at) => (at === 0 ? made('th', { scope: 'row' }, cell) : made('td', {}, cell))),
  );
}
