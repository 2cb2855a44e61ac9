import type { ICellModel } from '@jupyterlab/cells';
import type { INotebookTracker } from '@jupyterlab/notebook';

/** A cell's model, as far as trust goes. */
export type Trusting = Pick<ICellModel, 'metadataChanged' | 'trusted'>;

/** What a page looks at in a notebook: its cells, now and later. */
export interface ICells extends Iterable<Trusting> {
  changed: { connect(slot: (sender: unknown, change: { newValues: (Trusting | undefined)[] }) => void): unknown };
}

/**
 * Trust what an agent runs at once: the server trusts it as JupyterLab trusts what a person runs, but JupyterLab looks at
 * a cell's trust only when it makes the cell.
 */
export function trustRuns(tracker: INotebookTracker): void {
  tracker.widgetAdded.connect((_, panel) => {
    void panel.context.ready.then(() => panel.model !== null && follow(panel.model.cells as ICells));
  });
}

/** Follow the trust of these cells, and of those that come. */
export function follow(cells: ICells): void {
  watch([...cells]);
  cells.changed.connect((_, { newValues }) => watch(newValues));
}

function watch(cells: (Trusting | undefined)[]): void {
  for (const cell of cells) {
    cell?.metadataChanged.connect(trust);
  }
}

function trust(cell: Trusting, { key, newValue }: { key: string; newValue?: unknown }): void {
  if (key === 'trusted' && newValue === true) {
    cell.trusted = true;
  }
}
