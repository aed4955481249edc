/** The questions that are asked of every file, in this order. */
export const COLUMNS = ['loads', 'round trip', 'sites', 'rewrites', 'equals base', 'trains'] as const;
export type SurveyColumn = (typeof COLUMNS)[number];

/** What was found out about one file in one column. */
export interface Cell {
  /** `yes`: as it should be; `refused`: a diagnostic says why not; `fault`: a bug in lotrc */
  readonly kind: 'yes' | 'refused' | 'fault';
  readonly text: string;
  readonly code?: string;
  readonly hint?: string;
}

/** Columns that were not reached are absent. */
export type SurveyRow = Partial<Record<SurveyColumn, Cell>>;

/** What the process that surveys one file prints, a line each: columns as they are begun and answered. */
export type Told =
  | { readonly column: SurveyColumn; readonly begun: true }
  | { readonly column: SurveyColumn; readonly cell: Cell };
