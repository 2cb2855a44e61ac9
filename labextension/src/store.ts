import { URLExt } from '@jupyterlab/coreutils';
import { Event, ServerConnection } from '@jupyterlab/services';
import { ISignal, Signal } from '@lumino/signaling';

import { IRunCell } from './cells';
import { IChangeView, ITakenBack } from './changes';
import { Action, EMPTY, ICall, IConnections, IState, withCall } from './state';

const SCHEMAS = 'https://schema.jupyter.org/jupyter_mcp/';
const KEPT = 200;
/** Agents come and go without an event. */
const ASK_EVERY = 15_000;
/** What waits for the kernel moves up without one, too. */
const RUNS_EVERY = 1500;

/** The server's state of its agents, kept up to date by its events. */
export class AgentStore {
  constructor(settings: ServerConnection.ISettings, events: Event.IManager) {
    this._settings = settings;
    events.stream.connect(this._onEvent, this);
    window.setInterval(() => {
      // Hidden pages too: the server asks people only where a page is open.
      void this.refresh();
    }, ASK_EVERY);
    window.setInterval(() => {
      const busy = this._runs.length > 0 || this._state.agents.some(agent => agent.calls.length > 0);
      if (busy && !document.hidden) {
        void this._askRuns();
      }
    }, RUNS_EVERY);
  }

  /** Emitted when the state is another one. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted when a call begins to run something. */
  get began(): ISignal<this, ICall> {
    return this._began;
  }

  /** Emitted when a call is over. */
  get ended(): ISignal<this, ICall> {
    return this._ended;
  }

  /** Emitted when it was asked which cells run and wait. */
  get runsChanged(): ISignal<this, void> {
    return this._runsChanged;
  }

  /** The cells that run or wait. */
  get runs(): IRunCell[] {
    return this._runs;
  }

  /** When `runs` was asked for, in the terms of performance.now(). */
  get runsAsked(): number {
    return this._runsAsked;
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
      this._take((await this._request('state?page=1', 'GET')) as IState);
      await this._askRuns();
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

  /** Answer an agent that asks or proposes; rejects with the server's words. */
  async answer(question: number, allow: boolean, run: boolean, reason: string): Promise<void> {
    const more = { ...(run ? { run } : {}), ...(reason ? { reason } : {}) };
    this._take((await this._request('answer', 'POST', { question, allow, ...more })) as IState);
  }

  /** What a change did, with the sources before and after. */
  async change(notebook: string, change: number): Promise<IChangeView> {
    const query = URLExt.objectToQueryString({ notebook, change });
    return (await this._request(`change${query}`, 'GET')) as IChangeView;
  }

  /** Take a change back; rejects with the server's words if nothing of it can be. */
  async undo(notebook: string, change: number): Promise<ITakenBack> {
    const reply = (await this._request('undo', 'POST', { notebook, change })) as ITakenBack;
    await this.refresh();
    return reply;
  }

  /** Bring back a cell that an agent deleted. */
  async restore(notebook: string, cell: string): Promise<void> {
    await this._request('restore', 'POST', { notebook, cell });
    await this.refresh();
  }

  /** How clients are told of this server, with its token if that is to be shown and the server can tell one. */
  async connections(show: boolean): Promise<IConnections> {
    return (await this._request('connections', 'POST', { url: this.mcpUrl, show })) as IConnections;
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

  private async _askRuns(): Promise<void> {
    if (this._askingRuns) {
      return;
    }
    this._askingRuns = true;
    try {
      const { cells } = (await this._request('runs', 'GET')) as { cells: IRunCell[] };
      const news = runningOf(cells) !== runningOf(this._runs);
      this._runs = cells;
      this._runsAsked = performance.now();
      this._runsChanged.emit();
      if (news) {
        this._soon(); // what the status bar says is another thing too
      }
    } catch {
      // The server is going, or its state is asked for soon: then it says what is wrong.
    } finally {
      this._askingRuns = false;
    }
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
      const activity = withCall(this._state.activity, event as unknown as ICall).slice(-KEPT);
      this._state = { ...this._state, activity };
      this._changed.emit();
    }
    if (event['phase'] === 'began') {
      this._began.emit(event as unknown as ICall);
    } else if (event['phase'] === 'ended') {
      this._ended.emit(event as unknown as ICall);
    }
    // What else it changes is the server's to say.
    this._soon();
  }

  /** Ask for the state; many reasons make one question. */
  private _soon(): void {
    if (this._asking === null) {
      this._asking = window.setTimeout(() => {
        this._asking = null;
        void this.refresh();
      }, 150);
    }
  }

  private readonly _settings: ServerConnection.ISettings;
  private readonly _changed = new Signal<this, void>(this);
  private _runs: IRunCell[] = [];
  private _runsAsked = 0;
  private _askingRuns = false;
  private readonly _began = new Signal<this, ICall>(this);
  private readonly _ended = new Signal<this, ICall>(this);
  private readonly _runsChanged = new Signal<this, void>(this);
  private _state: IState = EMPTY;
  private _fault = '';
  private _asking: number | null = null;
}

/** Which cells run, in one text that can be compared. */
function runningOf(runs: IRunCell[]): string {
  return JSON.stringify(runs.filter(run => run.running).map(run => [run.notebook, run.cell]));
}
