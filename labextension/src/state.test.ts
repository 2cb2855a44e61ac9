import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EMPTY, asked, reviews, marksOf, ruleFor, sentence, summary, told, withCall } from './state.ts';
import type { IAgent, ICall, IQuestion, IRule, IState } from './state.ts';

const rule = (more: Partial<IRule>): IRule => ({
  mode: 'paused',
  by: 'Ada',
  since: null,
  agent: null,
  agent_name: null,
  notebook: null,
  fixed: false,
  ...more
});

const agent = (name: string, running: string | null = null, code = false): IAgent => ({
  id: name,
  kind: name,
  name,
  calls: running || code ? [{ tool: 'execute_cell', notebook: 'a/n.ipynb', running, code, seconds: 1 }] : []
});

const call = (more: Partial<ICall>): ICall => ({
  call: 1,
  phase: 'ended',
  outcome: 'done',
  agent: { id: 'x', kind: 'x', name: 'Claude Code' },
  tool: 'update_cell',
  notebook: 'n.ipynb',
  cells: [],
  running: null,
  started: '2026-11-27T10:00:00+00:00',
  seconds: 0.1,
  ...more
});

const touched = (id: string, changed: boolean, ran: boolean) => ({
  id,
  changed,
  ran,
  revision_before: null,
  revision_after: null
});

const state = (more: Partial<IState>): IState => ({ ...EMPTY, ...more });
const third = () => 3;

test('the status bar says who runs which cell', () => {
  assert.equal(summary(state({ agents: [agent('Claude Code', 'c')] }), third), 'Claude Code is running cell 3');
  assert.equal(summary(state({ agents: [agent('Robot', 'c')] }), () => null), 'Robot is running a cell in n.ipynb');
  assert.equal(summary(state({ agents: [agent('a'), agent('Robot', null, true)] }), third), 'Robot is running code in n.ipynb');
});

test('the status bar says who is here, and whether they are held back', () => {
  assert.equal(summary(EMPTY, third), 'No agents');
  assert.equal(summary(state({ agents: [agent('Robot')] }), third), 'Robot');
  assert.equal(summary(state({ agents: [agent('a'), agent('b')] }), third), '2 agents');
  assert.equal(summary(state({ rules: [rule({})] }), third), 'Agents paused');
  assert.equal(summary(state({ rules: [rule({ mode: 'read-only' })] }), third), 'Agents read-only');
  assert.equal(summary(state({ rules: [rule({ notebook: 'n.ipynb' })] }), third), 'No agents · some held back');
  assert.equal(
    summary(state({ agents: [agent('Robot', 'c')], rules: [rule({})] }), third),
    'Agents paused · Robot is running cell 3'
  );
});

test('a rule is found for exactly what it is about, and those of the configuration are not for people', () => {
  const rules = [rule({ fixed: true }), rule({ notebook: 'n.ipynb' }), rule({ agent: 'k', agent_name: 'Robot' })];
  assert.equal(ruleFor(state({ rules }), null, null), undefined);
  assert.equal(ruleFor(state({ rules }), null, 'n.ipynb'), rules[1]);
  assert.equal(ruleFor(state({ rules }), 'k', null), rules[2]);
  assert.equal(ruleFor(state({ rules }), 'k', 'n.ipynb'), undefined);
  assert.equal(sentence(rules[1]!), 'All agents in n.ipynb: paused, by Ada');
  assert.equal(sentence(rules[2]!), 'Robot: paused, by Ada');
});

test('a cell carries the mark of who was there last', () => {
  const activity = [
    call({ cells: [touched('a', true, false), touched('b', false, false)] }),
    call({ notebook: 'other.ipynb', cells: [touched('c', true, false)] }),
    call({ phase: 'began', cells: [touched('d', false, true)] }),
    call({ agent: { id: 'y', kind: 'y', name: 'Robot' }, cells: [touched('a', true, true)] })
  ];
  const marks = marksOf(activity, 'n.ipynb');
  assert.deepEqual([...marks.keys()], ['a']);
  assert.deepEqual(marks.get('a'), { name: 'Robot', what: 'changed and ran', when: '2026-11-27T10:00:00+00:00' });
});

test('a call whose event comes after the state that has it is there once; the end of its run is another line', () => {
  const known = [call({ call: 8, seconds: 0.1 })];
  assert.deepEqual(withCall(known, call({ call: 8, seconds: 0.1 })), known);
  assert.equal(withCall(known, call({ call: 8, seconds: 9 })).length, 2);
  assert.equal(withCall(known, call({ call: 9, seconds: 0.1 })).length, 2);
});

test('what failed or was stopped is told as that', () => {
  assert.equal(told(call({})), 'Claude Code: update cell');
  assert.equal(told(call({ outcome: 'failed' })), 'Claude Code: update cell (failed)');
  assert.equal(told(call({ outcome: 'stopped', tool: 'execute_cell' })), 'Claude Code: execute cell (stopped)');
});

const question: IQuestion = {
  question: 1,
  agent: { id: 'x', kind: 'x', name: 'Claude Code' },
  what: 'run a cell',
  detail: '',
  notebook: 'a/n.ipynb',
  cells: ['c'],
  index: null,
  preview: null,
  again: false,
  waiting: true
};

test('what an agent asks is told with the numbers of the cells, and the status bar tells it first', () => {
  assert.equal(asked(question, third), 'Claude Code asks to run a cell in n.ipynb (cell 3).');
  assert.equal(asked({ ...question, cells: [], index: 0 }, third), 'Claude Code asks to run a cell in n.ipynb (cell 1).');
  assert.equal(asked({ ...question, cells: ['c', 'd'] }, () => null), 'Claude Code asks to run a cell in n.ipynb.');
  const preview = { cells: [], more_cells: 0, metadata: '', runnable: false };
  const proposed = { ...question, what: 'change a cell', preview };
  assert.equal(asked(proposed, third), 'Claude Code proposes to change a cell in n.ipynb (cell 3).');
  assert.equal(summary(state({ questions: [proposed] }), third), 'Claude Code proposes to change a cell');
  assert.equal(summary(state({ questions: [question], rules: [rule({})] }), third), 'Claude Code asks to run a cell');
});

test('agents ask first where somebody decided so, or where the configuration has it and nobody did', () => {
  const fixed = state({ rules: [rule({ mode: 'ask', fixed: true })] });
  assert.equal(reviews(fixed, undefined, 'ask'), true);
  assert.equal(reviews(fixed, undefined, 'propose'), false);
  assert.equal(reviews(fixed, rule({ mode: 'run' }), 'ask'), false);
  assert.equal(reviews(EMPTY, undefined, 'ask'), false);
  assert.equal(reviews(EMPTY, rule({ mode: 'ask' }), 'ask'), true);
  assert.equal(reviews(fixed, rule({ mode: 'propose' }), 'ask'), false);
  assert.equal(reviews(fixed, rule({ mode: 'propose' }), 'propose'), true);
  assert.equal(sentence(rule({ mode: 'propose' })), 'All agents: propose first, by Ada');
  assert.equal(sentence(rule({ mode: 'ask', notebook: 'n.ipynb' })), 'All agents in n.ipynb: ask first, by Ada');
});
