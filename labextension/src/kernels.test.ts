import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Kernels } from './kernels.ts';
import type { IKernelContext, ISessions } from './kernels.ts';

type Running = ReturnType<ISessions['running']>;

function page(about: Partial<IKernelContext> = {}) {
  const joined: string[] = [];
  const context: IKernelContext = {
    path: 'n.ipynb',
    hasNoKernel: true,
    isDisposed: false,
    isTerminating: false,
    kernelDisplayStatus: 'unknown',
    kernelPreference: {},
    changeKernel: async ({ id }) => void joined.push(id),
    ...about
  };
  return { context, joined };
}

function server(path = 'n.ipynb', type = 'notebook', kernel: string | null = 'k') {
  let tell = () => {};
  const model = { id: 's', path, type, kernel: kernel === null ? null : { id: kernel, name: 'python3' } };
  const sessions: ISessions = {
    running: () => [model] as unknown as Running,
    runningChanged: { connect: (slot: () => void) => void (tell = slot) },
    refreshRunning: async () => tell()
  };
  return { sessions, tell: () => tell() };
}

test('a page without a kernel joins the one that its notebook gets, once', () => {
  const { context, joined } = page();
  const { sessions, tell } = server();
  new Kernels(sessions, () => [context, context]);
  tell();
  tell();
  assert.deepEqual(joined, ['k']);
});

test('it joins no kernel of something else', () => {
  for (const about of [server('other.ipynb'), server('n.ipynb', 'console'), server('n.ipynb', 'notebook', null)]) {
    const { context, joined } = page();
    new Kernels(about.sessions, () => [context]);
    about.tell();
    assert.deepEqual(joined, []);
  }
});

test('a page that has a kernel, starts or ends one, or is to have none, is left alone', () => {
  for (const about of [
    { hasNoKernel: false },
    { isDisposed: true },
    { isTerminating: true },
    { kernelDisplayStatus: 'starting' },
    { kernelPreference: { shouldStart: false } }
  ]) {
    const { context, joined } = page(about);
    const { sessions, tell } = server();
    new Kernels(sessions, () => [context]);
    tell();
    assert.deepEqual(joined, []);
  }
});

test('a kernel that could not be joined is not tried again and again', async () => {
  let tries = 0;
  const { context } = page({
    changeKernel: async () => {
      tries += 1;
      throw new Error('gone');
    }
  });
  const { sessions } = server();
  const kernels = new Kernels(sessions, () => [context]);
  kernels.ask();
  kernels.ask();
  await new Promise(done => setImmediate(done));
  assert.equal(tries, 1);
});
