/** The changes that agents propose, and the words for them; no DOM and no JupyterLab, so that tests need neither. */

import type { IQuestion, Numbering } from './state';

/** What becomes of one cell. */
export interface IPreviewCell {
  op: 'insert' | 'delete' | 'move' | 'change';
  /** null: a new cell. */
  id: string | null;
  cell_type: string;
  /** The cell before its place to be; null: it is the first. */
  after: string | null;
  also: string[];
  cut: boolean;
  diff: string;
}

export interface IPreview {
  cells: IPreviewCell[];
  more_cells: number;
  /** What of the notebook's metadata changes, as the lines of a diff. */
  metadata: string;
  /** There is code in it that can be run. */
  runnable: boolean;
}

/** A block that stands for a change, in the notebook: below a cell, or above the first. */
export interface IGhost {
  question: IQuestion;
  cell: IPreviewCell;
  /** Its number in the proposal, from 1. */
  part: number;
  anchor: string;
  above: boolean;
}

/** Return the blocks to show in a notebook with these cells, in order. */
export function ghostsOf(questions: IQuestion[], notebook: string, cells: string[]): IGhost[] {
  const found: IGhost[] = [];
  const [first] = cells;
  const there = new Set(cells);
  for (const question of questions) {
    if (question.notebook !== notebook || question.preview === null) {
      continue;
    }
    question.preview.cells.forEach((cell, at) => {
      const anchor = cell.op === 'insert' ? (cell.after ?? first) : cell.id;
      if (anchor && there.has(anchor)) {
        found.push({ question, cell, part: at + 1, anchor, above: cell.op === 'insert' && cell.after === null });
      }
    });
  }
  return found;
}

/** Say what would become of a cell, beside it. */
export function cellWords(cell: IPreviewCell, numberOf: (cellId: string) => number | null): string {
  const also = cell.also.filter(one => one !== 'moved');
  const more = also.length > 0 ? ` (${also.join(', ')})` : '';
  const number = cell.after === null ? null : numberOf(cell.after);
  const place = cell.after === null ? 'to the top' : number === null ? 'to another place' : `below cell ${number}`;
  switch (cell.op) {
    case 'insert':
      return `New ${cell.cell_type} cell`;
    case 'delete':
      return 'Delete this cell';
    case 'move':
      return `Move this cell ${place}`;
    default:
      return cell.also.includes('moved') ? `Change this cell${more} and move it ${place}` : `Change this cell${more}`;
  }
}

/** Say the same in the panel, where the cell is not. */
export function panelWords(question: IQuestion, cell: IPreviewCell, numberOf: Numbering): string {
  const { notebook } = question;
  const find = (id: string | null) => (notebook === null || id === null ? null : numberOf(notebook, id));
  const words = cellWords(cell, find);
  if (cell.op === 'insert') {
    const number = find(cell.after);
    return `${words}${cell.after === null ? ' at the top' : number === null ? '' : ` below cell ${number}`}`;
  }
  const number = find(cell.id);
  return words.replace('this cell', number === null ? 'a cell' : `cell ${number}`);
}

/** Say what is to be known before one answers; empty if there is nothing. */
export function remarks(question: IQuestion): string[] {
  const { preview } = question;
  return [
    ...(question.again ? ['The cells changed since this was shown: this is what it would do now.'] : []),
    ...(preview && preview.more_cells > 0 ? [`${preview.more_cells} more cells are not shown.`] : []),
    ...(preview?.cells.some(cell => cell.cut) ? ['Some of it is too long to be shown.'] : []),
    ...(question.waiting ? [] : ['The agent waits no longer: your answer is for the same call, when it is made again.'])
  ];
}
