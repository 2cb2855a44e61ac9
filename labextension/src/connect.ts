import { Clipboard, Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';

import { button, part } from './dom';
import { connections } from './state';
import { AgentStore } from './store';

const HIDDEN = '••••••••';

/** Show how an agent's client is connected; the token is asked for when somebody wants to see or copy it. */
export async function connect(store: AgentStore): Promise<void> {
  await showDialog({ title: 'Connect an agent', body: new Body(store), buttons: [Dialog.okButton({ label: 'Close' })] });
}

class Body extends Widget {
  constructor(store: AgentStore) {
    super();
    this._store = store;
    this.addClass('jp-mcp-Connect');
    this._draw();
  }

  private _draw(): void {
    const rows: Node[] = [this._row('Address', this._store.mcpUrl, false)];
    for (const { label, text } of connections(this._store.mcpUrl, this._token ?? HIDDEN)) {
      rows.push(this._row(label, text, true));
    }
    const shown = this._token !== null;
    const show = button(shown ? 'Hide the token' : 'Show the token', shown ? 'Hide the token' : 'Show the token', () => {
      void this._toggle();
    });
    const note = part('p', 'jp-mcp-Note', 'Who has the token can run code on this server. Give it to agents that you trust.');
    this.node.replaceChildren(...rows, note, show);
  }

  private _row(label: string, text: string, secret: boolean): HTMLElement {
    const copy = button('Copy', `Copy: ${label}`, () => void this._copy(label, text, secret));
    return part('div', 'jp-mcp-Row', part('div', 'jp-mcp-Name', label), part('pre', 'jp-mcp-Text', text), copy);
  }

  private async _toggle(): Promise<void> {
    this._token = this._token === null ? await this._ask() : null;
    this._draw();
    this.node.querySelector<HTMLElement>('[data-key$="the token"]')?.focus();
  }

  private async _copy(label: string, text: string, secret: boolean): Promise<void> {
    if (secret) {
      const token = this._token ?? (await this._ask());
      if (token === null) {
        return;
      }
      text = connections(this._store.mcpUrl, token).find(one => one.label === label)?.text ?? text;
    }
    Clipboard.copyToSystem(text);
    Notification.info(`Copied: ${label}`, { autoClose: 2000 });
  }

  private async _ask(): Promise<string | null> {
    try {
      const token = await this._store.token();
      if (token === null) {
        Notification.info('This server has no token of its own. On JupyterHub, make one at Token in the Hub’s menu.');
      }
      return token;
    } catch (error) {
      Notification.error(`The token is not shown: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
  }

  private readonly _store: AgentStore;
  private _token: string | null = null;
}
