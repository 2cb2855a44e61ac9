import { URLExt } from '@jupyterlab/coreutils';
import { Event, ServerConnection } from '@jupyterlab/services';
import { ISignal, Signal } from '@lumino/signaling';

import { Action, EMPTY, ICall, IState } from './state';

const SCHEMAS = 'https://schema.jupyter.org/jupyter_mcp/';
const KEPT = 200;
/** Agents come and go without an event. */
const ASK_EVERY = 15_000;

/** The server's state of its agents, kept up to date by its events. */
export class AgentStore {
  constructor(settings: ServerConnection.ISettings, events: Event.IManager) {
    this._settings = settings;
    events.stream.connect(this._onEvent, this);
    window.setInterval(() => {
      if (!document.hidden) {
        void this.refresh();
      }
    }, ASK_EVERY);
  }

  /** Emitted when the state is another one. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted when a call begins to run something. */
  get began(): ISignal<this, void> {
    return this._began;
  }

  /** The last that is known. */
  get state(): IState {
    return this._state;
  }

  /** Why the server does not answer; empty if it does. */
  get fault(): string {
    return this._fault;
  }

  get mcpUrl(): string {
    return URLExt.join(this._settings.baseUrl, 'mcp');
  }

  async refresh(): Promise<void> {
    try {
      this._take((await this._request('state', 'GET')) as IState);
    } catch (error) {
      this._fault = error instanceof Error ? error.message : String(error);
      this._changed.emit();
    }
  }

  /** Hold agents back, or let them go; rejects with the server's words. */
  async steer(action: Action, agent: string | null, notebook: string | null): Promise<void> {
    const about = { ...(agent === null ? {} : { agent }), ...(notebook === null ? {} : { notebook }) };
    this._take((await this._request('steer', 'POST', { action, ...about })) as IState);
  }

  /** The token that agents need; null if the server can't tell one. */
  async token(): Promise<string | null> {
    return ((await this._request('token', 'POST', {})) as { token: string | null }).token;
  }

  private async _request(name: string, method: string, body?: object): Promise<unknown> {
    const url = URLExt.join(this._settings.baseUrl, 'jupyter-mcp', name);
    const init = { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await ServerConnection.makeRequest(url, init, this._settings);
    const data: unknown = await response.json();
    if (!response.ok) {
      throw new Error((data as { message?: string }).message ?? response.statusText);
    }
    return data;
  }

  private _take(state: IState): void {
    this._state = state;
    this._fault = '';
    this._changed.emit();
  }

  private _onEvent(_: unknown, event: Event.Emission): void {
    if (!event.schema_id.startsWith(SCHEMAS)) {
      return;
    }
    if (event.schema_id.includes('/tool_call/') && event['phase'] === 'ended') {
      const activity = [...this._state.activity, event as unknown as ICall].slice(-KEPT);
      this._state = { ...this._state, activity };
      this._changed.emit();
    }
    if (event['phase'] === 'began') {
      this._began.emit();
    }
    // What else it changes is the server's to say; many events make one question.
    if (this._asking === null) {
      this._asking = window.setTimeout(() => {
        this._asking = null;
        void this.refresh();
      }, 150);
    }
  }

  private readonly _settings: ServerConnection.ISettings;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _began = new Signal<this, void>(this);
  private _state: IState = EMPTY;
  private _fault = '';
  private _asking: number | null = null;
}
