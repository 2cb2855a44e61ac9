import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Kernels } from './kernels.ts';
import type { IKernelContext, ISessions } from './kernels.ts';

type Running = ReturnType<ISessions['running']>;

/** A page of a notebook; its kernels come when `arrive` is called, as JupyterLab's after some requests. */
class Page implements IKernelContext {
  path = 'n.ipynb';
  hasNoKernel = true;
  isDisposed = false;
  isTerminating = false;
  kernelDisplayStatus = 'unknown';
  kernelPreference = {};
  asked: string[] = [];

  constructor(about: Partial<IKernelContext> = {}) {
    Object.assign(this, about);
  }

  changeKernel = (options?: { id?: string; name?: string }) => this._ask(options?.id ?? options?.name ?? '');
  startKernel = () => this._ask('start').then(() => false);

  async arrive(fault?: Error): Promise<void> {
    this.hasNoKernel = fault !== undefined;
    const [done, fail] = this._waiting.shift()!;
    fault === undefined ? done() : fail(fault);
    await settled();
  }

  private _ask(what: string): Promise<void> {
    this.asked.push(what);
    return new Promise((...both) => this._waiting.push(both));
  }

  private readonly _waiting: [() => void, (fault: Error) => void][] = [];
}

function server(path = 'n.ipynb', type = 'notebook', kernel: string | null = 'k') {
  let tell = () => {};
  const models = [{ id: 's', path, type, kernel: kernel === null ? null : { id: kernel, name: 'python3' } }];
  const sessions: ISessions = {
    running: () => models as unknown as Running,
    runningChanged: { connect: (slot: () => void) => void (tell = slot) },
    refreshRunning: async () => {}
  };
  const later: (() => void)[] = [];
  const kernels = new Kernels(sessions, job => later.push(job));
  return { sessions, kernels, later, models, tell: () => tell() };
}

const settled = () => new Promise<void>(done => setImmediate(done));

test('a page without a kernel joins the one that its notebook gets, once', async () => {
  const { kernels, tell } = server();
  const page = new Page();
  kernels.watch(page);
  kernels.watch(page);
  tell();
  tell();
  await page.arrive();
  tell();
  assert.deepEqual(page.asked, ['k']);
});

test('it joins also where the list was known before the page had lost its kernel', async () => {
  const { kernels } = server();
  const page = new Page();
  kernels.watch(page);
  kernels.ask();
  await settled();
  assert.deepEqual(page.asked, ['k']);
});

test('it joins no kernel of something else', () => {
  for (const about of [server('other.ipynb'), server('n.ipynb', 'console'), server('n.ipynb', 'notebook', null)]) {
    const page = new Page();
    about.kernels.watch(page);
    about.tell();
    assert.deepEqual(page.asked, []);
  }
});

test('a page that has a kernel, starts or ends one, is closed, or is to have none, is left alone', () => {
  for (const about of [
    { hasNoKernel: false },
    { isDisposed: true },
    { isTerminating: true },
    { kernelDisplayStatus: 'starting' },
    { kernelPreference: { shouldStart: false } }
  ]) {
    const { kernels, tell } = server();
    const page = new Page(about);
    kernels.watch(page);
    tell();
    assert.deepEqual(page.asked, []);
  }
  const { kernels, tell } = server();
  const page = new Page();
  kernels.watch(page);
  kernels.forget(page);
  tell();
  assert.deepEqual(page.asked, []);
});

test('a cell that is run while the page joins a kernel waits for that, and starts none', async () => {
  const { kernels, tell } = server();
  const page = new Page();
  kernels.watch(page);
  tell();
  const runs = Promise.all([page.startKernel(), page.startKernel()]);
  await settled();
  await page.arrive();
  assert.deepEqual(await runs, [false, false]);
  assert.deepEqual(page.asked, ['k']);
});

test('a cell that is run while the page joins a kernel that is gone starts one', async () => {
  const { kernels, tell } = server();
  const page = new Page();
  kernels.watch(page);
  tell();
  const runs = Promise.all([page.startKernel(), page.startKernel()]);
  await page.arrive(new Error('gone'));
  assert.deepEqual(page.asked, ['k', 'start']);
  await page.arrive();
  assert.deepEqual(await runs, [false, false]);
  assert.deepEqual(page.asked, ['k', 'start']);
});

test('of two starts at once, as of a cell that is run while its notebook opens, one is made', async () => {
  const { kernels } = server();
  const page = new Page({ kernelDisplayStatus: 'initializing' });
  kernels.watch(page);
  const runs = Promise.all([page.startKernel(), page.startKernel()]);
  await page.arrive();
  assert.deepEqual(await runs, [false, false]);
  assert.deepEqual(page.asked, ['start']);
});

test('while a person chooses a kernel, none is joined or started beside it', async () => {
  const { kernels, tell } = server();
  const page = new Page();
  kernels.watch(page);
  void page.changeKernel({ id: 'theirs' });
  tell();
  const run = page.startKernel();
  await page.arrive();
  assert.equal(await run, false);
  assert.deepEqual(page.asked, ['theirs']);
});

test('a choice that waits until the notebook is open does not hold back the start it waits for', () => {
  const { kernels } = server();
  const page = new Page({ kernelDisplayStatus: 'initializing' });
  kernels.watch(page);
  void page.changeKernel({ name: 'r' });
  void page.startKernel();
  assert.deepEqual(page.asked, ['r', 'start']);
});

test('a kernel that could not be joined is not tried again and again', async () => {
  const { kernels, later, tell } = server();
  const page = new Page();
  kernels.watch(page);
  tell();
  await page.arrive(new Error('gone'));
  tell();
  assert.deepEqual([page.asked, later.length], [['k'], 0]);
});

test('a page that lost a kernel which is still there joins it again, a few times', async () => {
  const { kernels, later, tell } = server();
  const page = new Page();
  kernels.watch(page);
  tell();
  for (let times = 1; times < 9; times++) {
    await page.arrive().catch(() => {});
    page.hasNoKernel = true;
    tell();
    tell();
    assert.ok(later.length <= 1);
    later.pop()?.();
    await settled();
  }
  assert.deepEqual(page.asked, Array(5).fill('k'));
});

test('a kernel that the person shut down is not joined again because a list is old', async () => {
  const { kernels, later, models, tell } = server();
  const page = new Page();
  kernels.watch(page);
  tell();
  await page.arrive();
  page.hasNoKernel = true;
  tell();
  models.pop();
  later.pop()!();
  await settled();
  assert.deepEqual(page.asked, ['k']);
});
