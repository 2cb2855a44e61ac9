import { Clipboard, Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';

import { button, part } from './dom';
import { IConnections } from './state';
import { AgentStore } from './store';

const NO_TOKEN = 'This server has no token of its own. On JupyterHub, make one at Token in the Hub’s menu.';

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
    void this._show(false);
  }

  private _draw(): void {
    const parts: Node[] = [this._row('Address', this._store.mcpUrl, false)];
    const way = this._ways.find(one => one.label === this._chosen) ?? this._ways[0];
    if (way !== undefined) {
      parts.push(this._choice(way.label), this._row(way.label, way.text, true));
    }
    const label = this._shown ? 'Hide the token' : 'Show the token';
    const show = button(label, label, () => void this._toggle());
    const note = part('p', 'jp-mcp-Note', 'Who has the token can run code on this server. Give it to agents that you trust.');
    const command = part('code', '', 'jupyter mcp connect');
    const other = part('p', 'jp-mcp-Note', 'On the machine of this server, ', command, ' connects a client without a token in its file.');
    this.node.replaceChildren(...parts, note, other, show);
  }

  private _choice(chosen: string): HTMLElement {
    const select = part('select', 'jp-mcp-Client jp-mod-styled');
    for (const { label } of this._ways) {
      select.append(new Option(label, label, false, label === chosen));
    }
    select.addEventListener('change', () => {
      this._chosen = select.value;
      this._draw();
      this.node.querySelector<HTMLElement>('.jp-mcp-Client')?.focus();
    });
    return part('label', 'jp-mcp-Row', part('span', 'jp-mcp-Name', 'Client'), select);
  }

  private _row(label: string, text: string, secret: boolean): HTMLElement {
    const copy = button('Copy', `Copy: ${label}`, () => void this._copy(label, text, secret));
    return part('div', 'jp-mcp-Row', part('div', 'jp-mcp-Name', label), part('pre', 'jp-mcp-Text', text), copy);
  }

  private async _toggle(): Promise<void> {
    await this._show(!this._shown);
    this.node.querySelector<HTMLElement>('[data-key$="the token"]')?.focus();
  }

  private async _show(token: boolean): Promise<void> {
    const ways = await this._ask(token);
    if (ways !== null && !this.isDisposed) {
      this._ways = ways;
      this._shown = token;
      this._draw();
    }
  }

  private async _copy(label: string, text: string, secret: boolean): Promise<void> {
    if (secret) {
      const ways = await this._ask(true);
      const way = ways?.find(one => one.label === label);
      if (way === undefined) {
        return;
      }
      text = way.text;
    }
    Clipboard.copyToSystem(text);
    Notification.info(`Copied: ${label}`, { autoClose: 2000 });
  }

  /** The ways from the server, null and a notification if it does not tell them. */
  private async _ask(show: boolean): Promise<IConnections['connections'] | null> {
    try {
      const { connections, token } = await this._store.connections(show);
      if (show && !token) {
        Notification.info(NO_TOKEN);
        return null;
      }
      return connections;
    } catch (error) {
      Notification.error(`How to connect is not shown: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
  }

  private readonly _store: AgentStore;
  private _ways: IConnections['connections'] = [];
  private _chosen = '';
  private _shown = false;
}
