import assert from 'node:assert/strict';
import { test } from 'node:test';

import { cellWords, ghostsOf, panelWords, remarks } from './proposals.ts';
import type { IPreviewCell } from './proposals.ts';
import type { IQuestion } from './state.ts';

const cell = (more: Partial<IPreviewCell>): IPreviewCell => ({
  op: 'change',
  id: 'b',
  cell_type: 'code',
  after: 'a',
  also: [],
  cut: false,
  diff: '-x\n+y',
  ...more
});

const question = (cells: IPreviewCell[], more: Partial<IQuestion> = {}): IQuestion => ({
  question: 1,
  agent: { id: 'x', kind: 'x', name: 'Claude Code' },
  what: 'change a cell',
  detail: '',
  notebook: 'n.ipynb',
  cells: [],
  index: null,
  preview: { cells, more_cells: 0, metadata: '', runnable: true },
  again: false,
  waiting: true,
  ...more
});

const places = (...cells: IPreviewCell[]) =>
  ghostsOf([question(cells)], 'n.ipynb', ['a', 'b', 'c']).map(one => [one.anchor, one.above]);

test('a block is on the cell that changes or goes, and at the place of a new one', () => {
  assert.deepEqual(places(cell({})), [['b', false]]);
  assert.deepEqual(places(cell({ op: 'delete', after: null })), [['b', false]]);
  assert.deepEqual(places(cell({ op: 'insert', id: null, after: 'c' })), [['c', false]]);
  assert.deepEqual(places(cell({ op: 'insert', id: null, after: null })), [['a', true]]);
  assert.deepEqual(places(cell({ op: 'move', after: null })), [['b', false]]);
});

test('cells that this notebook has not, and questions of others, have no block', () => {
  assert.deepEqual(places(cell({ id: 'gone' }), cell({ op: 'insert', id: null, after: 'gone' })), []);
  assert.deepEqual(ghostsOf([question([cell({})])], 'other.ipynb', ['b']), []);
  assert.deepEqual(ghostsOf([question([], { preview: null })], 'n.ipynb', ['b']), []);
  assert.deepEqual(ghostsOf([question([cell({ op: 'insert', id: null, after: null })])], 'n.ipynb', []), []);
});

test('it is said what becomes of the cell', () => {
  const second = () => 2;
  assert.equal(cellWords(cell({}), second), 'Change this cell');
  assert.equal(cellWords(cell({ also: ['code → markdown'] }), second), 'Change this cell (code → markdown)');
  assert.equal(cellWords(cell({ op: 'insert' }), second), 'New code cell');
  assert.equal(cellWords(cell({ op: 'delete' }), second), 'Delete this cell');
  assert.equal(cellWords(cell({ op: 'move', also: ['moved'] }), second), 'Move this cell below cell 2');
  assert.equal(cellWords(cell({ op: 'move', after: null, also: ['moved'] }), second), 'Move this cell to the top');
  assert.equal(cellWords(cell({ also: ['moved'] }), second), 'Change this cell and move it below cell 2');
});

test('the panel says which cell', () => {
  const numberOf = (_: string, id: string) => ({ a: 1, b: 2 })[id] ?? null;
  const words = (one: IPreviewCell) => panelWords(question([one]), one, numberOf);
  assert.equal(words(cell({})), 'Change cell 2');
  assert.equal(words(cell({ op: 'insert', id: null })), 'New code cell below cell 1');
  assert.equal(words(cell({ op: 'insert', id: null, after: null })), 'New code cell at the top');
  assert.equal(words(cell({ op: 'delete', id: 'gone' })), 'Delete a cell');
});

test('what is to be known before one answers is said', () => {
  assert.deepEqual(remarks(question([cell({})])), []);
  const preview = { cells: [cell({ cut: true })], more_cells: 3, metadata: '', runnable: false };
  const all = remarks(question([], { preview, again: true, waiting: false }));
  assert.equal(all.length, 4);
  assert.match(all.join(' '), /changed since this was shown.*3 more cells.*too long.*waits no longer/);
});
