/** Variables by which launchers tell a process how many were started; some have none for the number. */
const SIZES = [
  'OMPI_COMM_WORLD_SIZE',
  'PMI_SIZE',
  'MV2_COMM_WORLD_SIZE',
  'SLURM_STEP_NUM_TASKS',
  'FLUX_JOB_SIZE',
] as const;

/** Variables that only processes of a launcher have, besides those. */
const MARKS = [
  'PMI_RANK',
  'PMI_FD',
  'PMIX_RANK',
  'PMIX_NAMESPACE',
  'MPI_LOCALRANKID',
  'PALS_RANKID',
] as const;

/** What a launcher of MPI programs says to the processes that it starts. */
export interface MpiLaunch {
  /** processes that were started; null where the launcher does not say */
  readonly size: number | null;
  /** the launcher is that of Open MPI */
  readonly open: boolean;
}

/** Who started this process; null for a process that no launcher of MPI programs started. */
export function launchOf(environment: Readonly<Record<string, string | undefined>>): MpiLaunch | null {
  const size = SIZES.map((name) => environment[name]).find(
    (text) => text !== undefined && /^\d+$/.test(text),
  );
  if (size === undefined && !MARKS.some((name) => environment[name] !== undefined)) return null;
  return {
    size: size === undefined ? null : Number(size),
    open: environment.OMPI_COMM_WORLD_SIZE !== undefined,
  };
}
