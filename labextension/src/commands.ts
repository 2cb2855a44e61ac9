/** The names of the commands; no JupyterLab, so that tests need none. */

import type { Action } from './state';

/** To hold all agents back, or to let them go. JupyterLab takes each name once: an extension that uses one twice does not start. */
export const STEERING: Record<Action, string> = {
  pause: 'jupyter-mcp:pause',
  ask: 'jupyter-mcp:ask-first',
  propose: 'jupyter-mcp:propose-first',
  'read-only': 'jupyter-mcp:read-only',
  stop: 'jupyter-mcp:stop',
  resume: 'jupyter-mcp:resume'
};

export const SHOW = 'jupyter-mcp:show';
export const CONNECT = 'jupyter-mcp:connect';
export const ASK_ABOUT_CELL = 'jupyter-mcp:ask';
export const STILL = 'jupyter-mcp:still';
export const FOLLOW = 'jupyter-mcp:follow';

export const ALL = [...Object.values(STEERING), SHOW, CONNECT, ASK_ABOUT_CELL, STILL, FOLLOW];
