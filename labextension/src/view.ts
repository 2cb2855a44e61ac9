import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { shift } from './cells';

/** Keeps the active cell where it is on the screen while outputs above it grow. */
export class Still {
  constructor(tracker: INotebookTracker) {
    tracker.forEach(panel => this._watch(panel));
    tracker.widgetAdded.connect((_, panel) => this._watch(panel));
  }

  on = false;

  private _watch(panel: NotebookPanel): void {
    const notebook = panel.content;
    const outer = notebook.outerNode;
    let before: number | null = null;
    const top = () => {
      const cell = notebook.activeCell?.node;
      return cell?.isConnected ? cell.getBoundingClientRect().top - outer.getBoundingClientRect().top : null;
    };
    const note = () => {
      before = top(); // also while it is off: it may be switched on before the next change
    };
    // Called after the layout and before it is shown: nothing jumps.
    const sizes = new ResizeObserver(() => {
      const now = top();
      if (this.on && now !== null) {
        outer.scrollTop += shift(before, now, outer.clientHeight);
      }
      note();
    });
    sizes.observe(notebook.viewportNode);
    outer.addEventListener('scroll', note, { passive: true });
    notebook.activeCellChanged.connect(note);
    panel.disposed.connect(() => sizes.disconnect());
  }
}

/** Shows the cell that an agent works in, in the notebook in front; the person's own cell stays the active one. */
export function follow(tracker: INotebookTracker, notebook: string | null, cellId: string | null): void {
  const panel = tracker.currentWidget;
  if (cellId === null || panel === null || panel.context.localPath !== notebook) {
    return;
  }
  const at = panel.content.widgets.findIndex(cell => cell.model.id === cellId);
  if (at >= 0) {
    void panel.content.scrollToItem(at, 'smart');
  }
}
