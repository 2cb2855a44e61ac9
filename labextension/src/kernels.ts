import type { Session } from '@jupyterlab/services';

/** What there is to know of an open notebook's kernel; a part of JupyterLab's ISessionContext. */
export interface IKernelContext {
  readonly path: string;
  readonly hasNoKernel: boolean;
  readonly isDisposed: boolean;
  readonly isTerminating: boolean;
  readonly kernelDisplayStatus: string;
  readonly kernelPreference: { readonly shouldStart?: boolean };
  changeKernel: (options?: Partial<{ id: string; name: string }>) => Promise<unknown>;
  startKernel: () => Promise<boolean>;
}

/** The sessions that the server has; a part of JupyterLab's Session.IManager. */
export interface ISessions {
  running(): Iterable<Pick<Session.IModel, 'id' | 'path' | 'type' | 'kernel'>>;
  readonly runningChanged: { connect(slot: () => void): unknown };
  refreshRunning(): Promise<void>;
}

/** Joins of one kernel by one page: who loses it as often is not helped by another. */
const MOST = 5;

/**
 * Let a page without a kernel join the one that its notebook has: an agent may have started it after a restart of the
 * server, or after a person shut the last one down. JupyterLab (4.6) looks for it when a notebook is opened only.
 */
export class Kernels {
  constructor(sessions: ISessions, later: (job: () => void) => unknown = job => setTimeout(job, 2000)) {
    this._sessions = sessions;
    this._later = later;
    sessions.runningChanged.connect(() => this.look());
  }

  /**
   * Look after an open notebook.
   *
   * JupyterLab takes a kernel that is asked for while another one is on its way, and ends the session of the other: the
   * notebook's, with the agents' kernel. So a cell that is run meanwhile waits for the one that is on its way.
   */
  watch(context: IKernelContext): void {
    if (this._open.has(context)) {
      return; // another view of the same notebook
    }
    this._open.add(context);
    const { startKernel, changeKernel } = context;
    context.startKernel = () => this._start(context, () => startKernel.call(context));
    context.changeKernel = options => {
      // While a notebook is opened, the choice waits for JupyterLab's own start: that must not wait for the choice.
      const opens = context.kernelDisplayStatus === 'initializing';
      const changing = changeKernel.call(context, options);
      return opens ? changing : this._goes(context, changing);
    };
  }

  /** The notebook is closed. */
  forget(context: IKernelContext): void {
    this._open.delete(context);
  }

  /** Ask the server for its sessions, as one may be new; then look. */
  ask(): void {
    this._ask(false);
  }

  /** Join what there is to join. `again`: the server was asked just now, for a page that lost what it joined. */
  look(again = false): void {
    for (const context of this._open) {
      const kernel = this._kernelFor(context);
      if (kernel === null) {
        continue;
      }
      const before = this._joined.get(context);
      const times = before?.kernel === kernel ? before.times : 0;
      if (times === 0 || (again && times < MOST)) {
        this._join(context, kernel, times + 1);
      } else if (times < MOST) {
        // It may be the person who shut it down, and the list is older than that.
        this._askLater();
      }
    }
  }

  private _join(context: IKernelContext, kernel: string, times: number): void {
    this._joined.set(context, { kernel, times });
    void context.changeKernel({ id: kernel }).catch(() => {
      this._joined.set(context, { kernel, times: MOST }); // JupyterLab shows a dialog each time
    });
  }

  private _start(context: IKernelContext, start: () => Promise<boolean>): Promise<boolean> {
    const before = this._going.get(context);
    if (before === undefined) {
      return this._goes(context, start());
    }
    return before.then(() => (context.hasNoKernel ? this._start(context, start) : false));
  }

  /** Note that a kernel is on its way. */
  private _goes<T>(context: IKernelContext, way: Promise<T>): Promise<T> {
    const over = () => {
      if (this._going.get(context) === going) {
        this._going.delete(context);
      }
    };
    const going: Promise<void> = way.then(over, over);
    this._going.set(context, going);
    return way;
  }

  private _ask(again: boolean): void {
    void this._sessions.refreshRunning().then(
      () => this.look(again),
      () => undefined
    );
  }

  private _askLater(): void {
    if (!this._asks) {
      this._asks = true;
      this._later(() => {
        this._asks = false;
        this._ask(true);
      });
    }
  }

  private _kernelFor(context: IKernelContext): string | null {
    const free = context.hasNoKernel && !context.isDisposed && !context.isTerminating && !this._going.has(context);
    // Not while the person starts one, and not where they chose to have none.
    if (!free || context.kernelDisplayStatus !== 'unknown' || context.kernelPreference.shouldStart === false) {
      return null;
    }
    for (const session of this._sessions.running()) {
      if (session.path === context.path && session.type === 'notebook' && session.kernel) {
        return session.kernel.id;
      }
    }
    return null;
  }

  private readonly _sessions: ISessions;
  private readonly _later: (job: () => void) => unknown;
  private readonly _open = new Set<IKernelContext>();
  private readonly _going = new Map<IKernelContext, Promise<void>>();
  private readonly _joined = new WeakMap<IKernelContext, { kernel: string; times: number }>();
  private _asks = false;
}
