import type { Session } from '@jupyterlab/services';

/** What there is to know of an open notebook's kernel; a part of JupyterLab's ISessionContext. */
export interface IKernelContext {
  readonly path: string;
  readonly hasNoKernel: boolean;
  readonly isDisposed: boolean;
  readonly isTerminating: boolean;
  readonly kernelDisplayStatus: string;
  readonly kernelPreference: { readonly shouldStart?: boolean };
  changeKernel(options: { id: string }): Promise<unknown>;
}

/** The sessions that the server has; a part of JupyterLab's Session.IManager. */
export interface ISessions {
  running(): Iterable<Pick<Session.IModel, 'id' | 'path' | 'type' | 'kernel'>>;
  readonly runningChanged: { connect(slot: () => void): unknown };
  refreshRunning(): Promise<void>;
}

/**
 * Let a page without a kernel join the one that its notebook has: an agent may have started it after a restart of the
 * server, or after a person shut the last one down. JupyterLab (4.6) looks for it when a notebook is opened only.
 */
export class Kernels {
  constructor(sessions: ISessions, open: () => Iterable<IKernelContext>) {
    this._sessions = sessions;
    this._open = open;
    sessions.runningChanged.connect(() => this.look());
  }

  /** Ask the server for its sessions, as one may be new; then look. */
  ask(): void {
    void this._sessions.refreshRunning().catch(() => undefined);
  }

  /** Join what there is to join. */
  look(): void {
    for (const context of new Set(this._open())) {
      const kernel = this._kernelFor(context);
      // Once: JupyterLab shows a dialog when it fails, and a person may shut down what was joined.
      if (kernel !== null && !this._tried.has(kernel)) {
        this._tried.add(kernel);
        void context.changeKernel({ id: kernel }).catch(() => undefined);
      }
    }
  }

  private _kernelFor(context: IKernelContext): string | null {
    const free = context.hasNoKernel && !context.isDisposed && !context.isTerminating;
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
  private readonly _open: () => Iterable<IKernelContext>;
  private readonly _tried = new Set<string>();
}
