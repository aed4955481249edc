// Sets what a job says and makes its calls, in Node and in a browser alike: see host.ts.

/** The answer to a job by an emitted module on a device. */
export async function runJob(module, device, { tokens, weights, factors, calls }) {
  const messages = [];
  device.addEventListener('uncapturederror', ({ error }) => messages.push(error.message));
  const arrays = (record) =>
    Object.fromEntries(Object.entries(record).map(([name, data]) => [name, Float32Array.from(data)]));
  const made = async () => {
    const host = await module.createAdapters(device, { tokens });
    host.setWeights(arrays(weights));
    return host;
  };
  let host = await made();
  host.setAdapter(arrays(factors));
  const reads = {};
  let kept;
  for (const [what, argument, data, options] of calls) {
    try {
      if (what === 'read') reads[data ?? argument] = [...(await host.read(argument))];
      else if (what === 'readAdapter')
        for (const [name, numbers] of Object.entries(await host.readAdapter()))
          reads[`factor ${name}`] = [...numbers];
      // a run that goes on in another host, with the factors and the state of the optimizer
      else if (what === 'keep') kept = [await host.readAdapter(), await host.readState()];
      else if (what === 'renew') {
        const [adapter, state] = kept;
        host = await made();
        host.setAdapter(adapter);
        host.writeState(state);
      } else if (what === 'readState') reads[argument] = [...(await host.readState())];
      else if (what === 'write') host.write(argument, Float32Array.from(data));
      else if (what === 'setPacked') host.setPacked({ [argument]: Uint8Array.from(data) });
      else if (what === 'setAdapter') host.setAdapter(arrays(argument), data, ...(options ? [options] : []));
      else host[what](argument);
    } catch (error) {
      messages.push(error.message);
    }
  }
  return { names: Object.keys(host), messages, reads, host };
}
