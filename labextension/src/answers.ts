import { Notification } from '@jupyterlab/apputils';

import { button, part } from './dom';
import { IQuestion } from './state';
import { AgentStore } from './store';

const LONGEST_REASON = 500;

/** One way to answer. */
export interface IWay {
  label: string;
  allow: boolean;
  run: boolean;
}

/** The ways to answer a question. */
export function waysOf(question: IQuestion): IWay[] {
  const { preview } = question;
  const many = preview !== null && preview.cells.length + preview.more_cells > 1 ? ' all' : '';
  if (preview === null) {
    return [
      { label: 'Allow', allow: true, run: false },
      { label: 'Refuse', allow: false, run: false }
    ];
  }
  return [
    { label: `Accept${many}`, allow: true, run: false },
    ...(preview.runnable ? [{ label: `Accept${many} and run`, allow: true, run: true }] : []),
    { label: `Reject${many}`, allow: false, run: false }
  ];
}

/** Takes people's answers to what agents ask and propose. */
export class Answers {
  constructor(store: AgentStore) {
    this._store = store;
  }

  /** The buttons, and a line for the reason of a no. */
  part(question: IQuestion): HTMLElement {
    const number = question.question;
    const buttons = waysOf(question).map(way =>
      button(way.label, `${way.label}, question ${number}`, () => void this.give(question, way))
    );
    const reason = part('input', 'jp-mcp-Reason');
    reason.type = 'text';
    reason.maxLength = LONGEST_REASON;
    reason.placeholder = 'Why not? (optional)';
    reason.setAttribute('aria-label', `Why not, question ${number}`);
    reason.dataset['key'] = `reason ${number}`;
    reason.value = this._reasons.get(number) ?? '';
    reason.addEventListener('input', () => this._reasons.set(number, reason.value));
    return part('div', 'jp-mcp-Actions', ...buttons, reason);
  }

  async give(question: IQuestion, way: IWay): Promise<void> {
    const number = question.question;
    try {
      await this._store.answer(number, way.allow, way.run, way.allow ? '' : (this._reasons.get(number) ?? ''));
      this._reasons.delete(number);
    } catch (error) {
      Notification.error(error instanceof Error ? error.message : String(error));
      void this._store.refresh();
    }
  }

  private readonly _store: AgentStore;
  private readonly _reasons = new Map<number, string>();
}
