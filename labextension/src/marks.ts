import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { clock, IMark, marksOf } from './state';
import { AgentStore } from './store';

/** Marks beside the cells that an agent changed or ran. */
export class Marks {
  constructor(store: AgentStore, tracker: INotebookTracker) {
    this._store = store;
    tracker.forEach(panel => this._watch(panel));
    tracker.widgetAdded.connect((_, panel) => this._watch(panel));
    store.changed.connect(() => tracker.forEach(panel => this._soon(panel)));
  }

  private _watch(panel: NotebookPanel): void {
    void panel.context.ready.then(() => {
      this._soon(panel);
      // An event may be here before the cell that it tells of.
      panel.content.model?.cells.changed.connect(() => this._soon(panel));
      panel.context.pathChanged.connect(() => this._soon(panel));
    });
  }

  private _soon(panel: NotebookPanel): void {
    if (!this._due.has(panel)) {
      this._due.add(panel);
      window.setTimeout(() => {
        this._due.delete(panel);
        if (!panel.isDisposed) {
          this._draw(panel);
        }
      }, 100);
    }
  }

  private _draw(panel: NotebookPanel): void {
    const marks = marksOf(this._store.state.activity, panel.context.localPath);
    for (const cell of panel.content.widgets) {
      mark(cell.node, marks.get(cell.model.id));
    }
  }

  private readonly _store: AgentStore;
  private readonly _due = new WeakSet<NotebookPanel>();
}

function mark(node: HTMLElement, found: IMark | undefined): void {
  const old = node.querySelector<HTMLElement>(':scope > .jp-mcp-Mark');
  if (found === undefined) {
    old?.remove();
    return;
  }
  const words = `${found.name} ${found.what} this cell at ${clock(found.when)}`;
  const shown = old ?? document.createElement('span');
  if (shown.title !== words) {
    shown.className = 'jp-mcp-Mark';
    shown.title = words;
    shown.setAttribute('role', 'note');
    shown.setAttribute('aria-label', words);
  }
  if (old === null) {
    node.append(shown);
  }
}
