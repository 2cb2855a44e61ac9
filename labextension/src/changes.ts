/** What is known of agents' changes, and the words for it; no DOM and no JupyterLab, so that tests need neither. */

import type { ICall, IState } from './state';

/** What there is to do about a change. */
export interface IChange {
  change: number;
  open: boolean;
  undone_by: string | null;
  /** The person in whose cell it was made, though they were typing there. */
  over: string | null;
  /** Cells that it deleted, and that are not back. */
  deleted: string[];
}

export interface ICellView {
  id: string;
  did: 'made' | 'deleted' | 'changed';
  also: string[];
  diff: string;
}

/** A change with what was before and after. */
export interface IChangeView {
  change: number;
  undone_by: string | null;
  forgotten: boolean;
  cells: ICellView[];
  more_cells: number;
  metadata: string[];
}

/** What the server says that it took back. */
export interface ITakenBack {
  change?: number;
  kept?: string[];
}

export interface ILine {
  kind: 'added' | 'removed' | 'same';
  text: string;
}

/** Return what is known of the change that a call made. */
export function changeOf(state: IState, call: ICall): IChange | undefined {
  return call.phase === 'ended' ? state.changes.find(one => one.change === call.call) : undefined;
}

/** Return a diff's lines, each with what happened to it. */
export function linesOf(diff: string): ILine[] {
  if (diff === '') {
    return [];
  }
  return diff.split('\n').map(line => {
    const kind = line.startsWith('+') ? 'added' : line.startsWith('-') ? 'removed' : 'same';
    return { kind, text: line };
  });
}

/** Say what a change did to a cell. */
export function cellWords(cell: ICellView, number: number | null): string {
  const name = number === null ? 'A cell' : `Cell ${number}`;
  const also = cell.also.length > 0 ? ` (${cell.also.join(', ')})` : '';
  return cell.did === 'made' ? `${name} was added` : cell.did === 'deleted' ? 'A cell was deleted' : `${name}${also}`;
}

/** Say what was taken back, and what was not. */
export function takenBackWords(reply: ITakenBack): string {
  const kept = reply.kept ?? [];
  return kept.length === 0 ? 'The change was taken back.' : `The change was taken back in part. ${kept.join(' ')}`;
}

/** Return the calls that changed a cell in which a person was typing, and that are not in `told`. */
export function overPeople(state: IState, told: ReadonlySet<number>): { call: ICall; over: string }[] {
  const found: { call: ICall; over: string }[] = [];
  for (const call of state.activity) {
    const over = changeOf(state, call)?.over;
    if (over && call.notebook !== null && !told.has(call.call)) {
      found.push({ call, over });
    }
  }
  return found;
}
