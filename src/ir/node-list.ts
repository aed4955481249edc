import type { Node } from './node.js';

/** A place in a list; the node knows its own, which saves a table of all nodes. */
export interface Link {
  readonly list: NodeList;
  readonly node: Node | null; // null: the list's own head
  prev: Link;
  next: Link;
  live: boolean;
}

/**
 * The nodes of a graph in order: a doubly linked list that may change while it is walked.
 *
 * - a node inserted after the cursor is visited;
 * - a node inserted before the cursor is not visited;
 * - a node moved while the cursor is on it: the walk goes on from the node's original place
 *   (an erased link still knows its neighbours).
 */
export class NodeList implements Iterable<Node> {
  readonly #head: Link;
  #size = 0;

  constructor() {
    const head = { list: this, node: null, live: true } as unknown as Link;
    head.prev = head;
    head.next = head;
    this.#head = head;
  }

  get size(): number {
    return this.#size;
  }

  get first(): Node | null {
    return this.#head.next.node;
  }

  get last(): Node | null {
    return this.#head.prev.node;
  }

  has(node: Node): boolean {
    return node.link?.list === this;
  }

  /** The node after `node`, or null at the end. */
  after(node: Node): Node | null {
    return this.#require(node).next.node;
  }

  append(node: Node): void {
    this.#link(node, this.#head.prev);
  }

  insertBefore(at: Node, node: Node): void {
    this.#link(node, this.#require(at).prev);
  }

  insertAfter(at: Node, node: Node): void {
    this.#link(node, this.#require(at));
  }

  remove(node: Node): void {
    const link = this.#require(node);
    link.prev.next = link.next;
    link.next.prev = link.prev;
    link.live = false;
    node.link = null;
    this.#size--;
  }

  [Symbol.iterator](): IterableIterator<Node> {
    return new Walk(this.#head);
  }

  *reversed(): IterableIterator<Node> {
    let cursor = this.#head.prev;
    while (cursor !== this.#head) {
      if (cursor.live) yield cursor.node!;
      cursor = cursor.prev;
    }
  }

  #require(node: Node): Link {
    const { link } = node;
    if (link?.list !== this) throw new Error(`node "${node.name}" (${node.op}) is not in this graph`);
    return link;
  }

  #link(node: Node, after: Link): void {
    if (node.link) throw new Error(`node "${node.name}" (${node.op}) is already in a graph`);
    const link: Link = { list: this, node, prev: after, next: after.next, live: true };
    after.next.prev = link;
    after.next = link;
    node.link = link;
    this.#size++;
  }
}

/** A walk through a list: every pass and check does some, so it is not a generator, which is several times as slow. */
class Walk implements IterableIterator<Node> {
  readonly #head: Link;
  #cursor: Link | null;

  constructor(head: Link) {
    this.#head = head;
    this.#cursor = head;
  }

  next(): IteratorResult<Node> {
    let cursor = this.#cursor;
    do cursor = cursor?.next ?? null;
    while (cursor && cursor !== this.#head && !cursor.live);
    this.#cursor = cursor === this.#head ? null : cursor;
    return this.#cursor ? { done: false, value: this.#cursor.node! } : { done: true, value: undefined };
  }

  [Symbol.iterator](): IterableIterator<Node> {
    return this;
  }
}
