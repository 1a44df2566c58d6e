/** Markdown by the host's own renderer, in a view that stands in a shadow root. */

import type { IRenderMime, IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import { h } from '../ui/dom.js';

const TYPE = 'text/markdown';

/** One piece of Markdown: a slot in the view, so that the page's own style reaches it. */
export class MarkdownText {
  private renderer: IRenderMime.IRenderer | undefined;
  private text = '';

  constructor(
    private readonly registry: IRenderMimeRegistry,
    /** What the view stands in. */
    private readonly node: HTMLElement,
    private readonly name: string,
  ) {}

  /** Show the text in an element of the view; what is shown already is not drawn again. */
  show(element: HTMLElement, text: string, trusted: boolean): void {
    if (!this.renderer || element.firstElementChild?.getAttribute('name') !== this.name) {
      this.dispose();
      this.renderer = this.registry.createRenderer(TYPE);
      this.renderer.node.slot = this.name;
      const holder = this.node.firstElementChild as HTMLElement;
      // JupyterLab typesets formulas of widgets that are attached; what is appended as a bare node never is.
      if (holder.isConnected) Widget.attach(this.renderer, holder);
      else holder.append(this.renderer.node);
      element.replaceChildren(h('slot', { name: this.name }));
    }
    if (text === this.text) return;
    this.text = text;
    void this.renderer.renderModel({ data: { [TYPE]: text }, metadata: {}, trusted, setData() {} });
  }

  dispose(): void {
    const { renderer } = this;
    this.renderer = undefined;
    this.text = '';
    // Lumino insists on detaching, also where the node has left the page already.
    if (renderer?.isAttached && !renderer.node.isConnected) document.body.append(renderer.node);
    renderer?.dispose();
  }
}
