/** Presets of sampling settings, and prompts that the user keeps: in the settings of the host. */

import type { Settings } from '../protocol/playground.js';
import { h } from '../ui/dom.js';
import { visible } from '../ui/format.js';
import type { Library, Preset, SavedPrompt } from './host.js';

const LONGEST_NAME = 60;
const OWN: Preset[] = [
  { name: 'Greedy', settings: { temperature: 0, repetition_penalty: 1 } },
  { name: 'Precise', settings: { temperature: 0.2, top_p: 0.9, min_p: 0.05 } },
  { name: 'Creative', settings: { temperature: 1.1, top_p: 0.98, min_p: 0.02 } },
];

interface Entry {
  name: string;
}

/** A list to choose from, with a way to save what is there now and to remove what was chosen. */
class SavedList<Item extends Entry> {
  readonly element: HTMLElement;
  private readonly list: HTMLSelectElement;
  private readonly field = h('input', {
    class: 'field',
    type: 'text',
    hidden: true,
    maxlength: LONGEST_NAME,
  });
  private readonly remove: HTMLButtonElement;
  private items: readonly Item[] = [];

  constructor(
    label: string,
    private readonly fixed: readonly Item[],
    private readonly choose: (item: Item) => void,
    private readonly keep: ((name: string) => void) | undefined,
    private readonly drop: ((name: string) => void) | undefined,
  ) {
    this.list = h('select', {
      class: 'field',
      'aria-label': label,
      onchange: () => {
        const item = this.all[this.list.selectedIndex - 1];
        this.remove.hidden = !item || this.fixed.includes(item) || !this.drop;
        if (item) this.choose(item);
      },
    });
    this.field.setAttribute('aria-label', `Name of the ${label.toLowerCase()}`);
    this.field.placeholder = 'Name, then Enter';
    this.field.addEventListener('keydown', event => {
      if (event.key === 'Escape') this.named(false);
      if (event.key !== 'Enter' || !this.field.value.trim()) return;
      this.keep?.(this.field.value.trim());
      this.named(false);
    });
    const save = h(
      'button',
      { class: 'button', type: 'button', hidden: !keep, onclick: () => this.named(this.field.hidden) },
      'Save …',
    );
    this.remove = h(
      'button',
      {
        class: 'button plain',
        type: 'button',
        hidden: true,
        'aria-label': `Remove the ${label.toLowerCase()}`,
        onclick: () => {
          const item = this.all[this.list.selectedIndex - 1];
          if (item) this.drop?.(item.name);
        },
      },
      'Remove',
    );
    this.element = h('div', { class: 'saved' }, this.list, save, this.remove, this.field);
    this.show([], label);
  }

  show(items: readonly Item[], label: string): void {
    this.items = items;
    const names = this.all.map(item => h('option', {}, visible(item.name)));
    this.list.replaceChildren(h('option', {}, `${label} …`), ...names);
    this.remove.hidden = true;
  }

  private get all(): readonly Item[] {
    return [...this.fixed, ...this.items];
  }

  private named(on: boolean): void {
    this.field.hidden = !on;
    this.field.value = '';
    if (on) this.field.focus();
  }
}

const without = <Item extends Entry>(items: readonly Item[], name: string): Item[] =>
  items.filter(item => item.name !== name);

/** The presets of the rail. */
export class PresetList {
  readonly element: HTMLElement;
  private readonly list: SavedList<Preset>;
  private readonly off: (() => void) | undefined;

  constructor(
    library: Library | undefined,
    choose: (settings: Partial<Settings>) => void,
    now: () => Settings,
  ) {
    this.list = new SavedList<Preset>(
      'Preset',
      OWN,
      preset => choose(preset.settings),
      library &&
        (name => library.save({ presets: [...without(library.presets, name), { name, settings: now() }] })),
      library && (name => library.save({ presets: without(library.presets, name) })),
    );
    this.element = this.list.element;
    const draw = () => this.list.show(library?.presets ?? [], 'Preset');
    this.off = library?.onChange(draw);
    draw();
  }

  dispose(): void {
    this.off?.();
  }
}

/** The prompts next to the field in which one is written. */
export class PromptList {
  readonly element: HTMLElement;
  private readonly off: () => void;

  constructor(library: Library, choose: (text: string) => void, now: () => string) {
    const list = new SavedList<SavedPrompt>(
      'Saved prompt',
      [],
      prompt => choose(prompt.text),
      name =>
        now().trim() && library.save({ prompts: [...without(library.prompts, name), { name, text: now() }] }),
      name => library.save({ prompts: without(library.prompts, name) }),
    );
    this.element = list.element;
    const draw = () => list.show(library.prompts, 'Saved prompt');
    this.off = library.onChange(draw);
    draw();
  }

  dispose(): void {
    this.off();
  }
}
