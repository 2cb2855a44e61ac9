import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { badge, IRunCell } from './cells';
import { part } from './dom';
import { AgentStore } from './store';

/** Badges at the prompts of cells that an agent runs, or waits to run. */
export class Badges {
  constructor(store: AgentStore, tracker: INotebookTracker) {
    this._store = store;
    this._tracker = tracker;
    store.runsChanged.connect(() => this._draw());
    window.setInterval(() => {
      if (!document.hidden && store.runs.length > 0) {
        this._draw(); // the seconds go on
      }
    }, 1000);
  }

  private _draw(): void {
    const { runs, runsAsked } = this._store;
    const since = (performance.now() - runsAsked) / 1000;
    this._tracker.forEach(panel => draw(panel, runs, since));
  }

  private readonly _store: AgentStore;
  private readonly _tracker: INotebookTracker;
}

function draw(panel: NotebookPanel, runs: IRunCell[], since: number): void {
  const path = panel.context.localPath;
  const found = new Map(runs.filter(run => run.notebook === path).map(run => [run.cell, run]));
  for (const cell of panel.content.widgets) {
    const run = found.get(cell.model.id);
    const old = cell.node.querySelector<HTMLElement>(':scope > .jp-mcp-Badge');
    if (run === undefined) {
      old?.remove();
      continue;
    }
    const { text, words } = badge(run, since);
    const shown = old ?? part('span', 'jp-mcp-Badge');
    shown.setAttribute('role', 'img'); // read when one comes to it, not each second
    shown.setAttribute('aria-label', words);
    shown.title = words;
    shown.textContent = text;
    shown.classList.toggle('jp-mod-waits', !run.running);
    if (old === null) {
      cell.node.append(shown);
    }
  }
}
