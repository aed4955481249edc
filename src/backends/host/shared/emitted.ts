/** A text file of an emitted folder. */
export interface EmittedFile {
  /** relative to the folder, with slashes */
  readonly path: string;
  readonly text: string;
}
