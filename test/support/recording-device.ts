/** A GPUDevice that computes nothing: it records the calls, and buffers hold what is written to them. */

interface Buffer {
  readonly label: string;
  readonly size: number;
  /** what was written to it */
  readonly bytes: Uint8Array<ArrayBuffer>;
  destroyed: boolean;
  destroy(): void;
  mapAsync(): Promise<void>;
  getMappedRange(): ArrayBuffer;
}
interface Layout {
  readonly entries: readonly unknown[];
}
interface Pipeline {
  readonly label: string;
  readonly layout: { readonly bindGroupLayouts: readonly Layout[] };
  readonly compute: { readonly module: { readonly code: string } };
}
interface Group {
  readonly label: string;
  readonly layout: Layout;
  readonly entries: readonly { readonly resource: { readonly buffer: Buffer; readonly size?: number } }[];
}

/** The calls of a device, in order. */
interface Made {
  readonly buffers: Buffer[];
  readonly layouts: Layout[];
  readonly pipelines: Pipeline[];
  readonly groups: Group[];
  /** what was written to buffers, in order */
  readonly written: {
    readonly label: string;
    /** bytes of the buffer before */
    readonly offset: number;
    readonly data: ArrayBufferView & ArrayLike<number>;
  }[];
  /** command buffers */
  submitted: number;
}

export interface DeviceTraits {
  readonly limits?: Readonly<Record<string, number>>;
  readonly features?: readonly string[];
  /** label of a pipeline that does not compile */
  readonly refuses?: string;
  /** what the device says when it has no memory left */
  readonly full?: string;
}

export function recordingDevice({ limits = {}, features = [], refuses, full }: DeviceTraits = {}) {
  const made: Made = { buffers: [], layouts: [], pipelines: [], groups: [], written: [], submitted: 0 };
  const kept = <T>(list: T[], value: T): T => {
    list.push(value);
    return value;
  };
  const pass = { setPipeline() {}, setBindGroup() {}, dispatchWorkgroups() {}, end() {} };
  const encoder = {
    beginComputePass: () => pass,
    clearBuffer() {},
    copyBufferToBuffer(from: Buffer, first: number, to: Buffer, at: number, size: number) {
      to.bytes.set(from.bytes.subarray(first, first + size), at);
    },
    finish: () => ({}),
  };
  let lose: (why: { readonly reason: string; readonly message: string }) => void = () => {};
  const device = {
    lost: new Promise<{ readonly reason: string; readonly message: string }>((resolve) => {
      lose = resolve;
    }),
    limits,
    features: new Set(features),
    queue: {
      writeBuffer(
        { label, bytes }: Buffer,
        offset: number,
        data: ArrayBufferView & ArrayLike<number> & { readonly BYTES_PER_ELEMENT?: number },
        from = 0,
        count = data.length - from,
      ) {
        const { buffer, byteOffset, BYTES_PER_ELEMENT = 1 } = data;
        const begin = byteOffset + from * BYTES_PER_ELEMENT;
        bytes.set(new Uint8Array(buffer, begin, count * BYTES_PER_ELEMENT), offset);
        made.written.push({ label, offset, data });
      },
      submit() {
        made.submitted++;
      },
    },
    createBuffer({ label, size }: { label: string; size: number }): Buffer {
      const buffer: Buffer = {
        label,
        size,
        bytes: new Uint8Array(size),
        destroyed: false,
        destroy() {
          buffer.destroyed = true;
        },
        mapAsync: async () => {},
        getMappedRange: () => buffer.bytes.buffer,
      };
      return kept(made.buffers, buffer);
    },
    createBindGroupLayout: (layout: Layout) => kept(made.layouts, layout),
    createPipelineLayout: (layout: Pipeline['layout']) => layout,
    createShaderModule: (module: { readonly code: string }) => module,
    async createComputePipelineAsync(pipeline: Pipeline): Promise<Pipeline> {
      if (pipeline.label === refuses) throw new Error(`${refuses} does not compile`);
      return kept(made.pipelines, pipeline);
    },
    createBindGroup: (group: Group) => kept(made.groups, group),
    createCommandEncoder: () => encoder,
    pushErrorScope() {},
    popErrorScope: async () => (full === undefined ? null : { message: full }),
  };
  return { device, made, lose: (message: string) => lose({ reason: 'unknown', message }) };
}
