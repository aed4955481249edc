import { spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Launcher } from './mpi.js';

/** Two hosts made of network namespaces of Linux, with a cable between them, for Open MPI. */
export interface TwoHosts {
  /** starts a rank on each */
  readonly launcher: Launcher;
  /** bytes that each has sent so far, with the headers of the network */
  sent(): readonly number[];
  close(): void;
}

const SIDES = ['a', 'b'] as const;

function run(...[command, ...words]: readonly [string, ...string[]]): string {
  const { status, stdout, stderr, error } = spawnSync(command, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${words.join(' ')}: ${error?.message ?? stderr}`);
  return stdout;
}

/** Null where namespaces cannot be made: that needs Linux, its program `ip`, and to be root. `folder`: for a script. */
export function twoHosts(open: Launcher, folder: string): TwoHosts | null {
  const name = (side: string) => `lotrc-${side}${process.pid}`;
  const cable = (side: string) => `l${side}${process.pid}`;
  const close = () => {
    for (const side of SIDES) spawnSync('ip', ['netns', 'del', name(side)]);
  };
  try {
    for (const side of SIDES) run('ip', 'netns', 'add', name(side));
    const [a, b] = SIDES;
    const end = ['type', 'veth', 'peer', 'name', cable(b), 'netns', name(b)];
    run('ip', 'link', 'add', cable(a), 'netns', name(a), ...end);
    for (const [at, side] of SIDES.entries()) {
      run('ip', '-n', name(side), 'addr', 'add', `10.77.0.${at + 1}/24`, 'dev', cable(side));
      for (const device of ['lo', cable(side)]) run('ip', '-n', name(side), 'link', 'set', device, 'up');
    }
    // a name of its own tells MPI that the other one is another machine
    const inside = (side: string) => ['netns', 'exec', name(side), 'unshare', '--uts', 'sh', '-c'];
    run('ip', ...inside(a), `hostname ${name(a)}`);
    const agent = join(folder, 'agent.sh');
    const there = inside(b).join(' ');
    writeFileSync(agent, `#!/bin/sh\nshift\nexec ip ${there} "hostname ${name(b)}; $*"\n`);
    chmodSync(agent, 0o755);
    const settings = {
      plm_rsh_agent: agent,
      oob_tcp_if_include: '10.77.0.0/24',
      btl_tcp_if_include: '10.77.0.0/24',
      btl: 'self,tcp',
      pml: 'ob1',
    };
    const mca = Object.entries(settings).flatMap(([key, value]) => ['--mca', key, value]);
    const here = [...inside(a), `hostname ${name(a)}; exec "$@"`, 'sh', open.program];
    const words = [...here, ...open.words, ...mca, '-H', '10.77.0.1:1,10.77.0.2:1'];
    const sent = () =>
      SIDES.map((side) => {
        const file = `/sys/class/net/${cable(side)}/statistics/tx_bytes`;
        return Number(run('ip', 'netns', 'exec', name(side), 'cat', file));
      });
    return { launcher: { program: 'ip', words, environment: open.environment }, sent, close };
  } catch (error) {
    close();
    console.warn(`tests of two hosts are skipped: ${(error as Error).message.trim()}`);
    return null;
  }
}
