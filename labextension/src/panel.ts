import { Notification } from '@jupyterlab/apputils';
import { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { Answers } from './answers';
import { button, part } from './dom';
import { Action, base, clock, ICall, reviews, ruleFor, sentence, summary, told } from './state';
import { Questions } from './questions';
import { AgentStore } from './store';
import { ChangeList } from './undo';

export interface IPlaces {
  /** The path of the notebook in front, if one is. */
  notebook(): string | null;
  numberOf(notebook: string, cellId: string): number | null;
  show(notebook: string, cellId: string | null): void;
  connect(): void;
}

const SHOWN = 50;

/** Who is here, what they may do, and what they did. */
export class AgentPanel extends Widget {
  constructor(store: AgentStore, places: IPlaces, answers: Answers) {
    super();
    this._store = store;
    this._places = places;
    this.addClass('jp-mcp-Panel');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Agents');
    this._status = part('div', 'jp-mcp-Status');
    this._status.setAttribute('role', 'status');
    this._body = part('div', 'jp-mcp-Body');
    this.node.append(this._status, this._body);
    const numberOf = (notebook: string, cell: string) => places.numberOf(notebook, cell);
    this._questions = new Questions(store, answers, numberOf, (notebook, cell) => places.show(notebook, cell));
    this._changes = new ChangeList(store, numberOf, () => this.update());
    store.changed.connect(this.update, this);
  }

  protected override onAfterShow(_: Message): void {
    void this._store.refresh();
    this.update();
  }

  protected override onUpdateRequest(_: Message): void {
    const words = this._store.fault
      ? `The server does not tell: ${this._store.fault}`
      : summary(this._store.state, (notebook, cell) => this._places.numberOf(notebook, cell));
    if (this._status.textContent !== words) {
      this._status.textContent = words;
    }
    if (!this.isVisible) {
      return;
    }
    // What has the keyboard keeps it.
    const focused = document.activeElement;
    const key = focused instanceof HTMLElement && this._body.contains(focused) ? focused.dataset['key'] : undefined;
    this._body.replaceChildren(...this._parts());
    if (key !== undefined) {
      this._body.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`)?.focus();
    }
  }

  private _parts(): Node[] {
    const { state } = this._store;
    const notebook = this._places.notebook();
    const controls = part('div', 'jp-mcp-Section');
    controls.append(this._controls('All agents', null, null));
    if (notebook !== null) {
      controls.append(this._controls(base(notebook), null, notebook));
    }
    const kinds = new Map(state.agents.map(agent => [agent.kind, agent.name]));
    for (const [kind, name] of kinds) {
      controls.append(this._controls(name, kind, null));
    }
    const connect = button('Connect an agent…', 'Connect an agent', () => this._places.connect());
    const parts: Node[] = [...this._questions.parts(), connect, part('h3', 'jp-mcp-Heading', 'What agents may do'), controls];
    if (state.warning) {
      const warning = part('p', 'jp-mcp-Warning', `A restart of the server may forget this: ${state.warning}.`);
      warning.setAttribute('role', 'alert');
      parts.push(warning);
    }
    const rules = state.rules.map(rule => part('li', 'jp-mcp-Rule', sentence(rule)));
    if (rules.length > 0) {
      parts.push(part('h3', 'jp-mcp-Heading', 'Held back'), part('ul', 'jp-mcp-List', ...rules));
    }
    const calls = state.activity.slice(-SHOWN).reverse().map(call => this._call(call));
    const list = calls.length > 0 ? part('ol', 'jp-mcp-List', ...calls) : part('p', 'jp-mcp-None', 'Nothing yet.');
    parts.push(part('h3', 'jp-mcp-Heading', 'What agents did'), list);
    return parts;
  }

  private _controls(name: string, agent: string | null, notebook: string | null): HTMLElement {
    const rule = ruleFor(this._store.state, agent, notebook);
    const group = part('div', 'jp-mcp-Controls', part('span', 'jp-mcp-Name', name));
    group.setAttribute('role', 'group');
    group.setAttribute('aria-label', name);
    const add = (text: string, action: Action, pressed?: boolean) => {
      const what = pressed ? 'resume' : action;
      group.append(button(text, `${text}: ${name}`, () => void this._steer(what, agent, notebook), pressed));
    };
    add('Pause', 'pause', rule?.mode === 'paused');
    add('Ask first', 'ask', reviews(this._store.state, rule, 'ask'));
    add('Propose', 'propose', reviews(this._store.state, rule, 'propose'));
    add('Read only', 'read-only', rule?.mode === 'read-only');
    add('Stop', 'stop');
    return group;
  }

  private async _steer(action: Action, agent: string | null, notebook: string | null): Promise<void> {
    try {
      await this._store.steer(action, agent, notebook);
    } catch (error) {
      Notification.error(`The agents go on as before: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private _call(call: ICall): HTMLElement {
    const item = part('li', 'jp-mcp-Call');
    const time = part('time', 'jp-mcp-Time', clock(call.started));
    time.dateTime = call.started;
    item.append(time, part('span', 'jp-mcp-Told', told(call)));
    const { notebook } = call;
    if (notebook !== null) {
      const cell = call.cells[0]?.id ?? null;
      const number = cell === null ? null : this._places.numberOf(notebook, cell);
      const text = number === null ? base(notebook) : `${base(notebook)}, cell ${number}`;
      const link = button(text, `Go to ${text}, call ${call.call}`, () => this._places.show(notebook, cell));
      link.classList.add('jp-mcp-Link');
      item.append(link);
    }
    item.append(...this._changes.parts(call));
    return item;
  }

  private readonly _store: AgentStore;
  private readonly _places: IPlaces;
  private readonly _changes: ChangeList;
  private readonly _questions: Questions;
  private readonly _status: HTMLElement;
  private readonly _body: HTMLElement;
}
