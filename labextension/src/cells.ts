/** What is shown and asked about single cells; no DOM and no JupyterLab, so that tests need neither. */

/** A cell that an agent runs, or that waits for the kernel. */
export interface IRunCell {
  notebook: string;
  cell: string;
  by: string;
  running: boolean;
  place: number;
  seconds: number | null;
}

/** The badge beside a cell's prompt, and what a screen reader says of it. */
export function badge(run: IRunCell, sinceAsked: number): { text: string; words: string } {
  if (!run.running) {
    const before = run.place === 1 ? '1 cell is' : `${run.place} cells are`;
    const words = run.place === 0 ? 'it is next' : `${before} before it`;
    return { text: `#${run.place + 1}`, words: `${run.by} waits to run this cell: ${words}` };
  }
  const time = duration((run.seconds ?? 0) + sinceAsked);
  return { text: time, words: `${run.by} has been running this cell for ${time}` };
}

/** Seconds in at most two units. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) {
    return `${whole} s`;
  }
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A question for whatever agent the person uses; it finds the cell by what is in it. */
export function question(notebook: string, cellId: string, number: number): string {
  return (
    `About cell ${number} of the Jupyter notebook "${notebook}" (cell_id "${cellId}"): read it with get_cell of the ` +
    `Jupyter MCP server (path "${notebook}", cell_id "${cellId}"; resource notebook:///${encodeURI(notebook)}). ` +
    'My question: '
  );
}

/** How far to scroll so that what was at `before` stays there; 0 if it was out of sight, or has not moved. */
export function shift(before: number | null, now: number, height: number): number {
  if (before === null || before < 0 || before > height) {
    return 0;
  }
  return Math.abs(now - before) < 1 ? 0 : now - before;
}
