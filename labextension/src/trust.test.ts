import assert from 'node:assert/strict';
import { test } from 'node:test';

import { follow } from './trust.ts';
import type { ICells, Trusting } from './trust.ts';

type Change = { key: string; newValue?: unknown };

function cell() {
  const slots = new Set<(cell: Trusting, change: Change) => void>();
  const model = { trusted: false, metadataChanged: { connect: (slot: never) => void slots.add(slot) } };
  const one = model as unknown as Trusting;
  return { model: one, change: (change: Change) => slots.forEach(slot => slot(one, change)) };
}

function notebook(...cells: Trusting[]) {
  let tell: (sender: unknown, change: { newValues: (Trusting | undefined)[] }) => void = () => {};
  const list: ICells = { changed: { connect: slot => void (tell = slot) }, [Symbol.iterator]: () => cells.values() };
  return { list, add: (...newValues: (Trusting | undefined)[]) => tell(null, { newValues }) };
}

test('a cell that the document trusts is trusted in the page, also one that came later', () => {
  const first = cell();
  const later = cell();
  const { list, add } = notebook(first.model);
  follow(list);
  add(undefined, later.model);
  first.change({ key: 'trusted', newValue: true });
  later.change({ key: 'trusted', newValue: true });
  assert.deepEqual([first.model.trusted, later.model.trusted], [true, true]);
});

test('other metadata, and a trust that is taken away, change nothing', () => {
  const { model, change } = cell();
  follow(notebook(model).list);
  change({ key: 'tags', newValue: true });
  change({ key: 'trusted', newValue: false });
  change({ key: 'trusted' });
  assert.equal(model.trusted, false);
});
