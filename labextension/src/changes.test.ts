import assert from 'node:assert/strict';
import { test } from 'node:test';

import { cellWords, changeOf, linesOf, overPeople, takenBackWords } from './changes.ts';
import type { IChange } from './changes.ts';
import { EMPTY } from './state.ts';
import type { ICall, IState } from './state.ts';

const call = (number: number, more: Partial<ICall> = {}): ICall => ({
  call: number,
  phase: 'ended',
  outcome: 'done',
  agent: { id: 'x', kind: 'x', name: 'Claude Code' },
  tool: 'update_cell',
  notebook: 'n.ipynb',
  cells: [],
  started: '2026-11-27T10:00:00+00:00',
  seconds: 0.1,
  ...more
});

const change = (number: number, over: string | null = null): IChange => ({
  change: number,
  open: true,
  undone_by: null,
  over,
  deleted: []
});

const state = (more: Partial<IState>): IState => ({ ...EMPTY, ...more });

test('a change is found by the number of its call, and a call that goes on has none', () => {
  const changes = [change(1), change(2)];
  assert.equal(changeOf(state({ changes }), call(2))?.change, 2);
  assert.equal(changeOf(state({ changes }), call(3)), undefined);
  assert.equal(changeOf(state({ changes }), call(2, { phase: 'began' })), undefined);
});

test('the lines of a diff say what happened to them, and keep their signs for who sees no colours', () => {
  assert.deepEqual(linesOf('-a\n+b\n c'), [
    { kind: 'removed', text: '-a' },
    { kind: 'added', text: '+b' },
    { kind: 'same', text: ' c' }
  ]);
  assert.deepEqual(linesOf(''), []);
});

test('a cell is told by its number, and a deleted one has none', () => {
  const cell = { id: 'a', did: 'changed' as const, also: ['code → markdown', 'moved'], diff: '' };
  assert.equal(cellWords(cell, 3), 'Cell 3 (code → markdown, moved)');
  assert.equal(cellWords({ ...cell, also: [] }, null), 'A cell');
  assert.equal(cellWords({ ...cell, did: 'made' }, 2), 'Cell 2 was added');
  assert.equal(cellWords({ ...cell, did: 'deleted' }, null), 'A cell was deleted');
});

test('what stays is told with what was taken back', () => {
  assert.equal(takenBackWords({ kept: [] }), 'The change was taken back.');
  assert.equal(
    takenBackWords({ kept: ["'a' stays as it is: its source was changed since."] }),
    "The change was taken back in part. 'a' stays as it is: its source was changed since."
  );
});

test('each change over a person is told once', () => {
  const at = state({ activity: [call(1), call(2), call(3)], changes: [change(1, 'Ada'), change(2), change(3, 'Bob')] });
  assert.deepEqual(
    overPeople(at, new Set([1])).map(one => [one.call.call, one.over]),
    [[3, 'Bob']]
  );
});
