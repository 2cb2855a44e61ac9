import { Notification } from '@jupyterlab/apputils';

import { button, part } from './dom';
import { asked, IQuestion, Numbering } from './state';
import { AgentStore } from './store';

/** What agents ask before they run or delete: in the panel, and as notifications that stay until somebody answers. */
export class Questions {
  constructor(store: AgentStore, numberOf: Numbering) {
    this._store = store;
    this._numberOf = numberOf;
    store.changed.connect(this._tell, this);
  }

  /** The questions that wait, each with its buttons. */
  parts(): HTMLElement[] {
    return this._store.state.questions.map(question => {
      const words = asked(question, this._numberOf);
      const item = part('div', 'jp-mcp-Question', part('div', 'jp-mcp-Asked', words));
      item.setAttribute('role', 'group');
      item.setAttribute('aria-label', words);
      if (question.detail) {
        item.append(part('pre', 'jp-mcp-Diff', part('span', 'jp-mcp-Line', question.detail)));
      }
      const say = (allow: boolean) => () => void this._answer(question, allow);
      item.append(
        part(
          'div',
          'jp-mcp-Actions',
          button('Allow', `Allow, question ${question.question}`, say(true)),
          button('Refuse', `Refuse, question ${question.question}`, say(false))
        )
      );
      return item;
    });
  }

  private _tell(): void {
    const { questions } = this._store.state;
    for (const question of questions) {
      if (!this._shown.has(question.question)) {
        const id = Notification.emit(asked(question, this._numberOf), 'info', {
          autoClose: false,
          actions: [
            { label: 'Allow', displayType: 'accent', callback: () => void this._answer(question, true) },
            { label: 'Refuse', callback: () => void this._answer(question, false) }
          ]
        });
        this._shown.set(question.question, id);
      }
    }
    const open = new Set(questions.map(question => question.question));
    for (const [number, id] of this._shown) {
      if (!open.has(number) && id !== '') {
        Notification.dismiss(id);
        this._shown.set(number, '');
      }
    }
  }

  private async _answer(question: IQuestion, allow: boolean): Promise<void> {
    try {
      await this._store.answer(question.question, allow);
    } catch (error) {
      Notification.error(error instanceof Error ? error.message : String(error));
      void this._store.refresh();
    }
  }

  private readonly _store: AgentStore;
  private readonly _numberOf: Numbering;
  private readonly _shown = new Map<number, string>();
}
