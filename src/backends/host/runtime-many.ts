/** How an emitted module takes several adapters and the rows that are each one's. */
export const SET_ROWS = `    /**
     * Uploads factors of one adapter (0 to ADAPTERS - 1), by the names of the model's tensors; others stay. Throws RangeError for
     * another size or number.
     */
    setAdapter(tensors: Partial<Readonly<Record<FactorName, Float32Array<ArrayBuffer>>>>, adapter = 0): void {
      if (!Number.isInteger(adapter) || adapter < 0 || adapter >= ADAPTERS) throw new RangeError(\`there is no adapter \${adapter}, only \${ADAPTERS}\`);
      fill(tensors, FACTORS, adapter);
    },

    /**
     * Says whose the rows of x are: the adapter of each block of ROW_BLOCK rows, the last of which may be shorter. Rows of one
     * adapter that do not fill a block are followed by rows of padding. Throws RangeError for another count or number.
     */
    setRows(adapters: readonly number[]): void {
      const blocks = Math.ceil(tokens / ROW_BLOCK);
      if (adapters.length !== blocks) throw new RangeError(\`\${tokens} rows are \${blocks} blocks of \${ROW_BLOCK}, not \${adapters.length}\`);
      const wrong = adapters.find((adapter) => !Number.isInteger(adapter) || adapter < 0 || adapter >= ADAPTERS);
      if (wrong !== undefined) throw new RangeError(\`there is no adapter \${wrong}, only \${ADAPTERS}\`);
      device.queue.writeBuffer(buffers.rowAdapter, 0, Uint32Array.from(adapters));
    },

`;
