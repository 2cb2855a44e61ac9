import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { ALL } from './commands.ts';

const read = (file: string): string => readFileSync(new URL(file, import.meta.url), 'utf8');

test('no two commands have one name: the extension would not start', () => {
  assert.deepEqual([...new Set(ALL)], ALL);
});

test('buttons and menus name commands that there are', () => {
  const named = [...read('../schema/plugin.json').matchAll(/"command": "([^"]+)"/g)].map(found => found[1]);
  assert.ok(named.length > 0);
  assert.deepEqual(
    named.filter(name => !ALL.includes(name ?? '')),
    []
  );
});

test('the names of commands are written in one place', () => {
  assert.deepEqual([...read('./index.ts').matchAll(/jupyter-mcp:/g)], []);
});
