import { linesOf } from './changes';
import { part } from './dom';

/** The lines of a diff, in colours; a region of its own that keys can scroll. */
export function diffPart(diff: string): HTMLElement {
  const lines = linesOf(diff).map(line => part('span', `jp-mcp-Line jp-mod-${line.kind}`, `${line.text}\n`));
  const text = part('pre', 'jp-mcp-Diff', ...lines);
  text.tabIndex = 0;
  text.setAttribute('aria-label', 'What was before and after');
  return text;
}
