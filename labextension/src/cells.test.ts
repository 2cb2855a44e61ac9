import assert from 'node:assert/strict';
import { test } from 'node:test';

import { badge, duration, question, shift } from './cells.ts';

const run = { notebook: 'n.ipynb', cell: 'c', by: 'Claude Code', running: true, place: 0, seconds: 58.2 };

test('a badge says who runs the cell and how long, or how many are before it', () => {
  assert.deepEqual(badge(run, 1), { text: '59 s', words: 'Claude Code has been running this cell for 59 s' });
  const waiting = { ...run, running: false, seconds: null };
  assert.deepEqual(badge({ ...waiting, place: 1 }, 5), {
    text: '#2',
    words: 'Claude Code waits to run this cell: 1 cell is before it'
  });
  assert.match(badge({ ...waiting, place: 3 }, 0).words, /3 cells are before it$/);
  assert.match(badge(waiting, 0).words, /it is next$/);
});

test('times are short', () => {
  assert.deepEqual([-1, 0, 59.9, 60, 3599, 3600, 7325].map(duration), [
    '0 s',
    '0 s',
    '59 s',
    '1 min',
    '59 min',
    '1 h 0 min',
    '2 h 2 min'
  ]);
});

test('a question names the notebook and the cell, and holds no source', () => {
  const text = question('a b/n.ipynb', 'id-1', 4);
  for (const part of ['cell 4', '"a b/n.ipynb"', '"id-1"', 'get_cell', 'notebook:///a%20b/n.ipynb']) {
    assert.ok(text.includes(part), part);
  }
});

test('a cell in sight stays where it is, and one out of sight is not scrolled to', () => {
  assert.equal(shift(100, 340, 600), 240);
  assert.equal(shift(100, 60, 600), -40);
  assert.equal(shift(100, 100.4, 600), 0);
  assert.equal(shift(null, 340, 600), 0);
  assert.equal(shift(-1, 340, 600), 0);
  assert.equal(shift(601, 900, 600), 0);
});
