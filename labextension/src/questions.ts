import { Notification } from '@jupyterlab/apputils';

import { Answers, waysOf } from './answers';
import { diffPart } from './diffs';
import { button, part } from './dom';
import { panelWords, remarks } from './proposals';
import { asked, IQuestion, Numbering } from './state';
import { AgentStore } from './store';

type Show = (notebook: string, cellId: string | null) => void;

/** What agents ask and propose: in the panel, and as notifications that stay until somebody answers. */
export class Questions {
  constructor(store: AgentStore, answers: Answers, numberOf: Numbering, show: Show) {
    this._store = store;
    this._answers = answers;
    this._numberOf = numberOf;
    this._show = show;
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
      item.append(...this._preview(question), this._answers.part(question));
      return item;
    });
  }

  private _preview(question: IQuestion): HTMLElement[] {
    const { preview } = question;
    if (preview === null) {
      return [];
    }
    const cells = preview.cells.map(cell => {
      const words = part('div', 'jp-mcp-Note', panelWords(question, cell, this._numberOf));
      return part('div', 'jp-mcp-Change', words, ...(cell.diff ? [diffPart(cell.diff)] : []));
    });
    if (preview.metadata) {
      const words = part('div', 'jp-mcp-Note', "The notebook's metadata");
      cells.push(part('div', 'jp-mcp-Change', words, diffPart(preview.metadata)));
    }
    const notes = remarks(question).map(remark => part('div', 'jp-mcp-Note', remark));
    const go = button('Show it in the notebook', `Show it in the notebook, question ${question.question}`, () =>
      this._go(question)
    );
    go.classList.add('jp-mcp-Link');
    return [go, ...cells, ...notes];
  }

  private _go(question: IQuestion): void {
    const [cell] = question.preview?.cells ?? [];
    if (question.notebook !== null) {
      this._show(question.notebook, cell?.id ?? cell?.after ?? null);
    }
  }

  private _tell(): void {
    const { questions } = this._store.state;
    for (const question of questions) {
      if (!this._shown.has(question.question)) {
        // No more than fit beside each other; a change is run from where one sees it.
        const ways = waysOf(question).filter(way => !way.run).map(way => ({
          label: way.label,
          ...(way.allow ? { displayType: 'accent' as const } : {}),
          callback: () => void this._answers.give(question, way)
        }));
        const show = { label: 'Show', callback: () => this._go(question) };
        const id = Notification.emit(asked(question, this._numberOf), 'info', {
          autoClose: false,
          actions: question.preview === null ? ways : [...ways, show]
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

  private readonly _store: AgentStore;
  private readonly _answers: Answers;
  private readonly _numberOf: Numbering;
  private readonly _show: Show;
  private readonly _shown = new Map<number, string>();
}
