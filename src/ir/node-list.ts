import type { Node } from './node.js';

interface Link {
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
 * - a node moved while the cursor stands on it: the walk goes on from the node's original place
 *   (an erased link still knows its neighbours).
 */
export class NodeList implements Iterable<Node> {
  readonly #head: Link;
  readonly #links = new Map<Node, Link>();

  constructor() {
    const head = { node: null, live: true } as unknown as Link;
    head.prev = head;
    head.next = head;
    this.#head = head;
  }

  get size(): number {
    return this.#links.size;
  }

  get first(): Node | null {
    return this.#head.next.node;
  }

  get last(): Node | null {
    return this.#head.prev.node;
  }

  has(node: Node): boolean {
    return this.#links.has(node);
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
    this.#links.delete(node);
  }

  *[Symbol.iterator](): IterableIterator<Node> {
    let cursor = this.#head.next;
    while (cursor !== this.#head) {
      if (cursor.live) yield cursor.node!;
      cursor = cursor.next;
    }
  }

  *reversed(): IterableIterator<Node> {
    let cursor = this.#head.prev;
    while (cursor !== this.#head) {
      if (cursor.live) yield cursor.node!;
      cursor = cursor.prev;
    }
  }

  #require(node: Node): Link {
    const link = this.#links.get(node);
    if (!link) throw new Error(`node "${node.name}" (${node.op}) is not in this graph`);
    return link;
  }

  #link(node: Node, after: Link): void {
    if (this.#links.has(node)) throw new Error(`node "${node.name}" (${node.op}) is already in this graph`);
    const link: Link = { node, prev: after, next: after.next, live: true };
    after.next.prev = link;
    after.next = link;
    this.#links.set(node, link);
  }
}
