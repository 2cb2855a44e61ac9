/** Small parts of pages: real buttons and headings, so that keys and screen readers work. */

export function part<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...content: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...content);
  return node;
}

/** A button; `label` is what a screen reader says, with what it is about. */
export function button(text: string, label: string, act: () => void, pressed?: boolean): HTMLButtonElement {
  const node = part('button', 'jp-mcp-Button jp-mod-styled jp-mod-minimal', text);
  node.type = 'button';
  node.setAttribute('aria-label', label);
  node.dataset['key'] = label;
  if (pressed !== undefined) {
    node.setAttribute('aria-pressed', String(pressed));
  }
  node.addEventListener('click', act);
  return node;
}
