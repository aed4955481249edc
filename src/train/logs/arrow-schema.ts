/** A column as Arrow has it; `category`: a dictionary of texts and numbers into it. */
export interface ArrowField {
  readonly name: string;
  readonly type: 'bool' | 'int64' | 'float32' | 'float64' | 'text' | 'category';
  readonly nullable: boolean;
}

export interface ArrowEntry {
  readonly key: string;
  readonly value: string;
}

/**
 * The value of the key ARROW:schema of a Parquet file: the columns as an Arrow IPC message (Schema.fbs, Message.fbs), in base64.
 * Without it readers of Arrow take the types of Parquet, which has no categories; with it they take `metadata` of it, and not that of
 * the file.
 */
export function arrowSchema(fields: readonly ArrowField[], metadata: readonly ArrowEntry[]): string {
  const buffer = new FlatBuffer();
  const entries = metadata.map(({ key, value }) => table(string(key), string(value)));
  const schema = table(null, vector(fields.map(fieldTable)), vector(entries));
  buffer.root(table(int16(VERSION_5), int8(SCHEMA), schema, int64(0)));
  const body = buffer.padded();
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0xffffffff);
  head.writeInt32LE(body.length, 4);
  return Buffer.concat([head, body]).toString('base64');
}

/** Numbers of Schema.fbs and Message.fbs. */
const [VERSION_5, SCHEMA] = [4, 1];
const UNION = { int: 2, float: 3, text: 5, bool: 6 } as const;
const [SINGLE, DOUBLE] = [1, 2];

function fieldTable({ name, type, nullable }: ArrowField, index: number): Child {
  const [kind, parameters] = TYPES[type];
  const dictionary = type === 'category' ? table(int64(index), integer(32)) : null;
  return table(string(name), int8(nullable ? 1 : 0), int8(UNION[kind]), parameters, dictionary, vector([]));
}

const integer = (bits: number): Child => table(int32(bits), int8(1));
const TYPES: Readonly<Record<ArrowField['type'], readonly [keyof typeof UNION, Child]>> = {
  bool: ['bool', table()],
  int64: ['int', integer(64)],
  float32: ['float', table(int16(SINGLE))],
  float64: ['float', table(int16(DOUBLE))],
  text: ['text', table()],
  category: ['text', table()],
};

/** A number in a table, or what lies behind the table and is referred to from it; null: the default. */
type Part = { readonly size: 1 | 2 | 4 | 8; readonly value: number } | Child | null;
/** Writes something, and gives its place. */
type Child = (buffer: FlatBuffer) => number;

// hoisted: `TYPES` is made of them when the module is loaded
function int8(value: number): Part {
  return { size: 1, value };
}
function int16(value: number): Part {
  return { size: 2, value };
}
function int32(value: number): Part {
  return { size: 4, value };
}
function int64(value: number): Part {
  return { size: 8, value };
}
function table(...parts: readonly Part[]): Child {
  return (buffer) => buffer.table(parts);
}
function vector(children: readonly Child[]): Child {
  return (buffer) => buffer.vector(children);
}
function string(text: string): Child {
  return (buffer) => buffer.string(text);
}

/** FlatBuffers in order: what refers to something lies before it. Numbers are little-endian and lie at multiples of their size. */
class FlatBuffer {
  readonly #bytes: number[] = [];

  root(child: Child): void {
    this.#refer(this.#number(4, 0), child);
  }

  table(parts: readonly Part[]): number {
    // the sizes and places of the fields, and then the fields, which begin with the distance to these
    const head = 4 + 2 * parts.length;
    while ((this.#bytes.length + head) % 4 !== 0) this.#bytes.push(0);
    const start = this.#bytes.length + head;
    let end = start + 4;
    const places = parts.map((part) => {
      if (part === null) return 0;
      const size = typeof part === 'function' ? 4 : part.size;
      const at = Math.ceil(end / size) * size;
      end = at + size;
      return at - start;
    });
    for (const value of [head, end - start, ...places]) this.#number(2, value);
    this.#number(4, head);
    const children = parts.flatMap((part) => {
      if (part === null) return [];
      if (typeof part !== 'function') {
        this.#number(part.size, part.value);
        return [];
      }
      return [[this.#number(4, 0), part] as const];
    });
    for (const [at, child] of children) this.#refer(at, child);
    return start;
  }

  vector(children: readonly Child[]): number {
    const start = this.#number(4, children.length);
    const places = children.map(() => this.#number(4, 0));
    for (const [i, child] of children.entries()) this.#refer(places[i]!, child);
    return start;
  }

  string(text: string): number {
    const bytes = Buffer.from(text);
    const start = this.#number(4, bytes.length);
    this.#bytes.push(...bytes, 0);
    return start;
  }

  /** All bytes, to a multiple of 8. */
  padded(): Uint8Array {
    while (this.#bytes.length % 8 !== 0) this.#bytes.push(0);
    return Uint8Array.from(this.#bytes);
  }

  /** Writes a whole number that is not negative at the next place for its size, which it gives. */
  #number(size: number, value: number): number {
    while (this.#bytes.length % size !== 0) this.#bytes.push(0);
    const at = this.#bytes.length;
    for (let left = value, i = 0; i < size; i++, left = Math.floor(left / 256)) this.#bytes.push(left % 256);
    return at;
  }

  /** Writes a child, and the distance to it at `at`. */
  #refer(at: number, child: Child): void {
    let distance = child(this) - at;
    for (let i = 0; i < 4; i++, distance = Math.floor(distance / 256)) this.#bytes[at + i] = distance % 256;
  }
}
