/** What the server says of its agents, and what follows from it; no DOM and no JupyterLab, so that tests need neither. */

import type { IChange } from './changes';
import type { IPreview } from './proposals';

export type Mode = 'run' | 'ask' | 'propose' | 'read-only' | 'paused';
export type Action = 'resume' | 'ask' | 'propose' | 'read-only' | 'pause' | 'stop';

export interface IRunning {
  tool: string;
  notebook: string | null;
  running: string | null;
  /** It runs code that is in no cell. */
  code: boolean;
  seconds: number;
}

export interface IAgent {
  id: string;
  kind: string;
  name: string;
  calls: IRunning[];
}

export interface IRule {
  mode: Mode;
  by: string;
  since: string | null;
  agent: string | null;
  agent_name: string | null;
  notebook: string | null;
  fixed: boolean;
}

export interface ITouched {
  id: string;
  changed: boolean;
  ran: boolean;
  revision_before: string | null;
  revision_after: string | null;
}

export interface ICall {
  call: number;
  phase: 'began' | 'ended';
  outcome: 'done' | 'failed' | 'stopped' | null;
  agent: { id: string; kind: string; name: string };
  tool: string;
  notebook: string | null;
  cells: ITouched[];
  running: string | null;
  started: string;
  seconds: number;
}

/** What an agent asks a person before it does it. */
export interface IQuestion {
  question: number;
  agent: { id: string; kind: string; name: string };
  what: string;
  detail: string;
  notebook: string | null;
  cells: string[];
  index: number | null;
  /** What would become of the notebook; null where the agent asks to run or delete. */
  preview: IPreview | null;
  /** It was shown before, and the cells changed since. */
  again: boolean;
  /** The agent's call waits for the answer. */
  waiting: boolean;
}

export interface IState {
  agents: IAgent[];
  rules: IRule[];
  activity: ICall[];
  changes: IChange[];
  questions: IQuestion[];
  warning: string | null;
}

/** The ways to connect a client, and whether the server has a token of its own. */
export interface IConnections {
  connections: { label: string; text: string }[];
  token: boolean;
}

export interface IMark {
  name: string;
  what: string;
  when: string;
}

/** The number of a cell as people count, if its notebook is open. */
export type Numbering = (notebook: string, cellId: string) => number | null;

export const EMPTY: IState = { agents: [], rules: [], activity: [], changes: [], questions: [], warning: null };

const MODE_WORDS: Record<Mode, string> = {
  run: 'not held back',
  ask: 'ask first',
  propose: 'propose first',
  'read-only': 'read-only',
  paused: 'paused'
};

/** Whether agents ask or propose first here: as somebody decided, or as the configuration has it where nobody did. */
export function reviews(state: IState, rule: IRule | undefined, mode: 'ask' | 'propose'): boolean {
  if (rule !== undefined) {
    return rule.mode === mode;
  }
  return state.rules.some(
    one => one.fixed && one.mode === mode && one.agent === null && one.agent_name === null && one.notebook === null
  );
}

/** Say what an agent asks. */
export function asked(question: IQuestion, numberOf: Numbering): string {
  const { notebook } = question;
  const numbers = notebook === null ? [] : question.cells.map(cell => numberOf(notebook, cell));
  const known = numbers.filter((one): one is number => one !== null);
  const cells = known.length > 0 ? known : question.index !== null && question.index >= 0 ? [question.index + 1] : [];
  const which = cells.length > 0 ? ` (${cells.length > 1 ? 'cells' : 'cell'} ${cells.join(', ')})` : '';
  return `${question.agent.name} ${verb(question)} to ${question.what}${notebook === null ? '' : ` in ${base(notebook)}`}${which}.`;
}

function verb(question: IQuestion): string {
  return question.preview === null ? 'asks' : 'proposes';
}

/** Tell in a few words what the agents do: the text of the status bar. */
export function summary(state: IState, numberOf: Numbering): string {
  const all = state.rules.find(rule => rule.agent === null && rule.agent_name === null && rule.notebook === null);
  const [question] = state.questions;
  if (question !== undefined) {
    return `${question.agent.name} ${verb(question)} to ${question.what}`;
  }
  const held = all ? `Agents ${MODE_WORDS[all.mode]}` : '';
  for (const agent of state.agents) {
    const call = agent.calls.find(one => one.notebook !== null && (one.running !== null || one.code));
    if (call?.notebook) {
      const number = call.running === null ? null : numberOf(call.notebook, call.running);
      const cell = number !== null ? `cell ${number}` : `${call.code ? 'code' : 'a cell'} in ${base(call.notebook)}`;
      const doing = `${agent.name} is running ${cell}`;
      return held ? `${held} · ${doing}` : doing;
    }
  }
  if (held) {
    return held;
  }
  const names = new Set(state.agents.map(agent => agent.name));
  const some = state.rules.length > 0 ? ' · some held back' : '';
  if (names.size === 0) {
    return `No agents${some}`;
  }
  return `${names.size === 1 ? [...names][0] : `${names.size} agents`}${some}`;
}

/** The file's name in a path. */
export function base(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The rule that was made for exactly this, not one that holds for more. */
export function ruleFor(state: IState, agent: string | null, notebook: string | null): IRule | undefined {
  return state.rules.find(rule => !rule.fixed && rule.agent === agent && rule.notebook === notebook);
}

/** Say a rule in a sentence. */
export function sentence(rule: IRule): string {
  const who = rule.agent_name ? rule.agent_name : 'All agents';
  const where = rule.notebook ? ` in ${rule.notebook}` : '';
  return `${who}${where}: ${MODE_WORDS[rule.mode]}, by ${rule.by}${rule.since ? ` at ${clock(rule.since)}` : ''}`;
}

/** Say a call in a sentence, without its cells. */
export function told(call: ICall): string {
  const end = call.outcome === 'failed' ? ' (failed)' : call.outcome === 'stopped' ? ' (stopped)' : '';
  return `${call.agent.name}: ${call.tool.replace(/_/g, ' ')}${end}`;
}

/** Hours and minutes of a time, where the person is. */
export function clock(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime())
    ? time
    : date.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
}

/** Return the calls with one more that has ended; an event may come after the server's state that knows of it already. */
export function withCall(activity: ICall[], call: ICall): ICall[] {
  return activity.some(one => one.call === call.call && one.seconds === call.seconds) ? activity : [...activity, call];
}

/** Return who last changed or ran each cell of a notebook, by the cells' ids. */
export function marksOf(activity: ICall[], notebook: string): Map<string, IMark> {
  const marks = new Map<string, IMark>();
  for (const call of activity) {
    if (call.notebook !== notebook || call.phase !== 'ended') {
      continue;
    }
    for (const cell of call.cells) {
      if (cell.changed || cell.ran) {
        const what = cell.changed && cell.ran ? 'changed and ran' : cell.changed ? 'changed' : 'ran';
        marks.set(cell.id, { name: call.agent.name, what, when: call.started });
      }
    }
  }
  return marks;
}
