import { Notification } from '@jupyterlab/apputils';

import { cellWords, changeOf, IChange, IChangeView, overPeople, takenBackWords } from './changes';
import { diffPart } from './diffs';
import { button, part } from './dom';
import { EMPTY, ICall } from './state';
import { AgentStore } from './store';

type NumberOf = (notebook: string, cellId: string) => number | null;

/** What a person can do about an agent's change: look at it, take it back, restore a cell. */
export class ChangeList {
  constructor(store: AgentStore, numberOf: NumberOf, update: () => void) {
    this._store = store;
    this._numberOf = numberOf;
    this._update = update;
    store.changed.connect(this._tellPeople, this);
  }

  /** The parts below a call that changed something. */
  parts(call: ICall): Node[] {
    const { notebook } = call;
    const change = changeOf(this._store.state, call);
    if (notebook === null || change === undefined) {
      return [];
    }
    const number = change.change;
    const shown = this._shown.has(number);
    const actions = part('div', 'jp-mcp-Actions');
    const show = button('Before and after', `Before and after, call ${number}`, () => this._toggle(notebook, number));
    show.setAttribute('aria-expanded', String(shown));
    actions.append(show);
    if (change.undone_by !== null) {
      actions.append(part('span', 'jp-mcp-Note', `taken back by ${change.undone_by}`));
    } else if (change.open) {
      const undo = () => void this.undo(notebook, number);
      actions.append(button('Undo this change', `Undo this change, call ${number}`, undo));
    }
    const view = this._views.get(number);
    const parts: Node[] = [actions];
    if (shown && view !== undefined) {
      parts.push(this._view(notebook, view));
    }
    parts.push(...this._restores(notebook, change));
    return parts;
  }

  /** Take a change back, and say what became of it. */
  async undo(notebook: string, number: number): Promise<void> {
    await this._say('The change stays', async () => {
      const reply = await this._store.undo(notebook, number);
      const again = reply.change;
      const actions =
        again === undefined ? [] : [{ label: 'Do it again', callback: () => void this.undo(notebook, again) }];
      Notification.emit(takenBackWords(reply), reply.kept?.length ? 'warning' : 'success', {
        actions,
        autoClose: 10_000
      });
    });
  }

  private _restores(notebook: string, change: IChange): Node[] {
    return change.deleted.slice(0, MOST_RESTORES).map((cell, at) => {
      const which = change.deleted.length > 1 ? ` ${at + 1}` : '';
      const label = `Restore cell${which}, call ${change.change}`;
      return button(`Restore cell${which}`, label, () => void this._restore(notebook, cell));
    });
  }

  private async _restore(notebook: string, cell: string): Promise<void> {
    await this._say('The cell stays deleted', async () => {
      await this._store.restore(notebook, cell);
      Notification.success('The cell is back at its place.', { autoClose: 5000 });
    });
  }

  private async _say(failed: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      Notification.error(`${failed}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private async _toggle(notebook: string, number: number): Promise<void> {
    if (this._shown.delete(number)) {
      this._update();
      return;
    }
    await this._say('The change can not be shown', async () => {
      this._views.set(number, await this._store.change(notebook, number));
      this._shown.add(number);
      this._update();
    });
  }

  private _view(notebook: string, view: IChangeView): HTMLElement {
    const cells = view.cells.map(cell => {
      const shown = part('div', 'jp-mcp-Change', part('div', 'jp-mcp-Note', cellWords(cell, this._numberOf(notebook, cell.id))));
      if (cell.diff) {
        shown.append(diffPart(cell.diff));
      }
      return shown;
    });
    const notes = [
      ...(view.metadata.length > 0 ? [`The notebook's metadata: ${view.metadata.join(', ')}`] : []),
      ...(view.more_cells > 0 ? [`${view.more_cells} more cells`] : []),
      ...(view.forgotten ? ['The change was too large to be remembered.'] : [])
    ];
    return part('div', 'jp-mcp-Changes', ...cells, ...notes.map(note => part('div', 'jp-mcp-Note', note)));
  }

  /** Tell of changes that were made in a cell in which a person was typing. */
  private _tellPeople(): void {
    const { state } = this._store;
    for (const { call, over } of overPeople(state, this._told)) {
      this._told.add(call.call);
      const { notebook } = call;
      if (notebook === null || !this._looked) {
        continue; // what was before this page was loaded
      }
      Notification.emit(`${call.agent.name} changed a cell in ${notebook} in which ${over} was typing.`, 'warning', {
        autoClose: false,
        actions: [{ label: 'Undo', callback: () => void this.undo(notebook, call.call) }]
      });
    }
    this._looked = this._looked || state !== EMPTY;
  }

  private readonly _store: AgentStore;
  private readonly _numberOf: NumberOf;
  private readonly _update: () => void;
  private readonly _shown = new Set<number>();
  private readonly _views = new Map<number, IChangeView>();
  private readonly _told = new Set<number>();
  private _looked = false;
}

const MOST_RESTORES = 10;
