import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { Answers } from './answers';
import { diffPart } from './diffs';
import { part } from './dom';
import { cellWords, ghostsOf, IGhost, remarks } from './proposals';
import { asked, Numbering } from './state';
import { AgentStore } from './store';

const SELECTOR = ':scope > .jp-mcp-Ghost';

/** Blocks in the notebook that show what agents propose, at the place, with the buttons to answer. */
export class Ghosts {
  constructor(store: AgentStore, tracker: INotebookTracker, answers: Answers, numberOf: Numbering) {
    this._store = store;
    this._answers = answers;
    this._numberOf = numberOf;
    tracker.forEach(panel => this._watch(panel));
    tracker.widgetAdded.connect((_, panel) => this._watch(panel));
    store.changed.connect(() => tracker.forEach(panel => this._draw(panel)));
  }

  private _watch(panel: NotebookPanel): void {
    void panel.context.ready.then(() => {
      this._draw(panel);
      panel.content.model?.cells.changed.connect(() => window.setTimeout(() => this._draw(panel)));
      panel.context.pathChanged.connect(() => this._draw(panel));
    });
  }

  private _draw(panel: NotebookPanel): void {
    if (panel.isDisposed) {
      return;
    }
    const cells = panel.content.widgets;
    const path = panel.context.localPath;
    const wanted = ghostsOf(this._store.state.questions, path, cells.map(cell => cell.model.id));
    const old = this._blocks.get(panel) ?? new Map<string, HTMLElement>();
    const blocks = new Map<string, HTMLElement>();
    const at = new Map<string, HTMLElement[]>();
    for (const ghost of wanted) {
      const key = JSON.stringify([ghost.question.question, ghost.part, ghost.above]);
      // The same block for as long as it is asked: somebody may be writing in it.
      const block = old.get(key) ?? this._block(ghost);
      remark(block, remarks(ghost.question));
      blocks.set(key, block);
      at.set(ghost.anchor, [...(at.get(ghost.anchor) ?? []), block]);
    }
    this._blocks.set(panel, blocks);
    const others = cells.filter(cell => !same([...cell.node.querySelectorAll(SELECTOR)], at.get(cell.model.id) ?? []));
    if (others.length > 0) {
      keepStill(panel, () => others.forEach(cell => put(cell, at.get(cell.model.id) ?? [])));
    }
  }

  private _block(ghost: IGhost): HTMLElement {
    const { question, cell } = ghost;
    const { notebook, preview } = question;
    const words = cellWords(cell, id => (notebook === null ? null : this._numberOf(notebook, id)));
    const count = preview === null ? 1 : preview.cells.length + preview.more_cells;
    const which = count > 1 ? ` (${ghost.part} of ${count})` : '';
    const head = part('div', 'jp-mcp-Asked', `${question.agent.name} proposes${which}: ${words}`);
    const block = part('div', `jp-mcp-Ghost jp-mod-${cell.op}`, head);
    if (cell.diff) {
      block.append(diffPart(cell.diff));
    }
    block.append(part('div', 'jp-mcp-Remarks'), this._answers.part(question));
    block.classList.toggle('jp-mod-above', ghost.above);
    block.setAttribute('role', 'group');
    block.setAttribute('aria-label', `${asked(question, this._numberOf)} ${words}${which}`);
    // The notebook's keys are not for what has the keyboard here, and a click here chooses no cell.
    block.dataset['lmSuppressShortcuts'] = 'true';
    for (const type of ['keydown', 'mousedown', 'dblclick', 'focusin']) {
      block.addEventListener(type, event => event.stopPropagation());
    }
    block.addEventListener('mousedown', event => {
      if (event.target instanceof HTMLButtonElement) {
        event.preventDefault(); // the caret stays in the person's cell
      }
    });
    return block;
  }

  private readonly _store: AgentStore;
  private readonly _answers: Answers;
  private readonly _numberOf: Numbering;
  private readonly _blocks = new WeakMap<NotebookPanel, Map<string, HTMLElement>>();
}

function remark(block: HTMLElement, words: string[]): void {
  const notes = block.querySelector(':scope > .jp-mcp-Remarks');
  if (notes !== null && notes.textContent !== words.join('')) {
    notes.replaceChildren(...words.map(one => part('div', 'jp-mcp-Note', one)));
  }
}

function same(one: Element[], other: Element[]): boolean {
  return one.length === other.length && one.every((node, at) => node === other[at]);
}

function put(cell: { node: HTMLElement }, blocks: HTMLElement[]): void {
  cell.node.querySelectorAll(SELECTOR).forEach(block => block.remove());
  cell.node.append(...blocks);
  cell.node.classList.toggle('jp-mod-mcpGhosts', blocks.length > 0);
}

/** Change what is in the notebook; what the person looks at stays where it is on the screen, and the keyboard in it. */
function keepStill(panel: NotebookPanel, change: () => void): void {
  const outer = panel.content.outerNode;
  const focused = document.activeElement;
  const lookedAt = inSight(panel, outer.getBoundingClientRect());
  const before = lookedAt?.getBoundingClientRect().top ?? 0;
  change();
  if (lookedAt) {
    outer.scrollTop += lookedAt.getBoundingClientRect().top - before;
  }
  // Not from the line for the reason: what somebody goes on to type would be the notebook's keys.
  if (focused instanceof HTMLButtonElement && focused.closest('.jp-mcp-Ghost') && !focused.isConnected) {
    panel.content.node.focus({ preventScroll: true });
  }
}

/** The input of the active cell if it is in sight, else of the first cell that is. */
function inSight(panel: NotebookPanel, outer: DOMRect): Element | null {
  const { activeCell, widgets } = panel.content;
  for (const cell of activeCell === null ? widgets : [activeCell, ...widgets]) {
    const input = cell.node.isConnected ? cell.node.querySelector(':scope > .jp-Cell-inputWrapper') : null;
    const place = input?.getBoundingClientRect();
    if (place && place.bottom > outer.top && place.top < outer.bottom) {
      return input;
    }
  }
  return null;
}
