import { ILabShell, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Clipboard, ICommandPalette, Notification } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { IStatusBar } from '@jupyterlab/statusbar';
import { LabIcon } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';

import { Answers } from './answers';
import { Badges } from './badges';
import { question } from './cells';
import { ASK_ABOUT_CELL, CONNECT, FOLLOW, SHOW, STEERING, STILL } from './commands';
import { connect } from './connect';
import { button } from './dom';
import { Ghosts } from './ghosts';
import { Kernels } from './kernels';
import { Marks } from './marks';
import { follow, Still } from './view';
import { AgentPanel, IPlaces } from './panel';
import { Action, summary } from './state';
import { AgentStore } from './store';
import { trustRuns } from './trust';

const ID = 'jupyter-mcp-rooms:plugin';

const icon = new LabIcon({
  name: 'jupyter-mcp-rooms:agents',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161">' +
    '<path d="M12 2a2 2 0 0 1 1 3.7V7h3a4 4 0 0 1 4 4v6a4 4 0 0 1-4 4H8a4 4 0 0 1-4-4v-6a4 4 0 0 1 4-4h3V5.7A2 2 0 0 1 ' +
    '12 2zM8 9a2 2 0 0 0-2 2v6c0 1.1.9 2 2 2h8a2 2 0 0 0 2-2v-6a2 2 0 0 0-2-2zm1 3a1.5 1.5 0 1 1 0 3 1.5 1.5 0 0 1 0-3z' +
    'm6 0a1.5 1.5 0 1 1 0 3 1.5 1.5 0 0 1 0-3z"/></g></svg>'
});

/** People see and steer the agents on this server. The server decides: this only shows and asks. */
const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'See and steer the agents that work on notebooks over MCP.',
  autoStart: true,
  requires: [INotebookTracker, IDocumentManager],
  optional: [ILabShell, ICommandPalette, IStatusBar],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    documents: IDocumentManager,
    shell: ILabShell | null,
    palette: ICommandPalette | null,
    statusBar: IStatusBar | null
  ): void => {
    const { serverSettings, events } = app.serviceManager;
    const store = new AgentStore(serverSettings, events);
    const find = (path: string): NotebookPanel | undefined => tracker.find(panel => panel.context.localPath === path);

    const places: IPlaces = {
      notebook: () => tracker.currentWidget?.context.localPath ?? null,
      numberOf: (path, cellId) => {
        const at = find(path)?.content.widgets.findIndex(cell => cell.model.id === cellId) ?? -1;
        return at < 0 ? null : at + 1;
      },
      show: (path, cellId) => {
        const panel = (find(path) ?? documents.openOrReveal(path)) as NotebookPanel | undefined;
        if (panel === undefined) {
          return;
        }
        app.shell.activateById(panel.id);
        void panel.context.ready.then(() => {
          const at = panel.content.widgets.findIndex(cell => cell.model.id === cellId);
          if (at >= 0) {
            panel.content.activeCellIndex = at;
            void panel.content.scrollToItem(at, 'center');
          }
        });
      },
      connect: () => void app.commands.execute(CONNECT)
    };

    const answers = new Answers(store);
    new Marks(store, tracker);
    new Ghosts(store, tracker, answers, places.numberOf);
    const kernels = new Kernels(app.serviceManager.sessions);
    tracker.widgetAdded.connect((_, { sessionContext }) => {
      kernels.watch(sessionContext);
      sessionContext.disposed.connect(() => kernels.forget(sessionContext));
    });
    store.began.connect(() => kernels.ask());
    new Badges(store, tracker);
    trustRuns(tracker);
    const still = new Still(tracker);
    let following = false;
    store.began.connect((_, call) => following && follow(tracker, call.notebook, call.running));
    store.ended.connect((_, call) => following && follow(tracker, call.notebook, call.cells.at(-1)?.id ?? null));
    const panel = new AgentPanel(store, places, answers);
    panel.id = 'jupyter-mcp-agents';
    panel.title.icon = icon;
    panel.title.caption = 'Agents';
    app.shell.add(panel, 'right', { rank: 900 });
    tracker.currentChanged.connect(() => panel.update());

    const commands: [string, string, () => unknown][] = [
      [SHOW, 'Show Agents', () => app.shell.activateById(panel.id)],
      [CONNECT, 'Connect an Agent', () => connect(store)]
    ];
    const actions: [Action, string][] = [
      ['pause', 'Pause All Agents'],
      ['ask', 'Have All Agents Ask First'],
      ['propose', 'Have All Agents Propose First'],
      ['read-only', 'Set All Agents to Read-Only'],
      ['stop', 'Stop All Agents'],
      ['resume', 'Resume All Agents']
    ];
    for (const [action, label] of actions) {
      commands.push([STEERING[action], label, () => store.steer(action, null, null)]);
    }
    for (const [id, label, execute] of commands) {
      app.commands.addCommand(id, { label, execute, describedBy: { args: { type: 'object', properties: {} } } });
      palette?.addItem({ command: id, category: 'Agents' });
    }

    const schema = { args: { type: 'object', properties: {} } };
    app.commands.addCommand(ASK_ABOUT_CELL, {
      label: 'Ask the Agent About This Cell',
      caption: 'Ask the agent about this cell: copies a question that names it',
      icon,
      describedBy: schema,
      isEnabled: () => tracker.activeCell !== null,
      execute: () => {
        const [current, cell] = [tracker.currentWidget, tracker.activeCell];
        if (current && cell) {
          const number = current.content.activeCellIndex + 1;
          Clipboard.copyToSystem(question(current.context.localPath, cell.model.id, number));
          Notification.info('Copied: paste it to your agent, and ask.', { autoClose: 3000 });
        }
      }
    });
    const toggle = (id: string, label: string, caption: string, on: () => boolean, set: (on: boolean) => void) => {
      app.commands.addCommand(id, {
        label,
        caption,
        describedBy: schema,
        isToggleable: true,
        isToggled: on,
        execute: () => {
          set(!on());
          app.commands.notifyCommandChanged(id);
        }
      });
      palette?.addItem({ command: id, category: 'Agents' });
    };
    toggle(
      STILL,
      'Keep My Cell Still',
      'Keep the active cell in its place while outputs above it grow',
      () => still.on,
      on => (still.on = on)
    );
    toggle(
      FOLLOW,
      'Follow the Agents',
      'Show the cell that an agent works in, in the notebook in front',
      () => following,
      on => (following = on)
    );
    palette?.addItem({ command: ASK_ABOUT_CELL, category: 'Agents' });

    if (statusBar) {
      const item = new Widget();
      const show = button('', '', () => {
        if (shell && panel.isVisible) {
          shell.collapseRight();
        } else {
          app.shell.activateById(panel.id);
        }
      });
      show.classList.add('jp-mcp-StatusItem');
      item.node.append(show);
      const update = () => {
        const words = summary(store.state, places.numberOf);
        if (show.textContent !== words) {
          show.textContent = words;
          show.title = `${words}. Click to see and steer agents.`;
          show.setAttribute('aria-label', `Agents: ${words}`);
        }
      };
      store.changed.connect(update);
      statusBar.registerStatusItem(ID, { item, align: 'left', rank: 100 });
    }
    void store.refresh();
  }
};

export default plugin;
