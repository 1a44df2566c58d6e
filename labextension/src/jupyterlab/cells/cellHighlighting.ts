/** Cells that begin with %%llm are prose, not Python: Markdown that wraps, with the first line as a magic and
 * {fields} as Python.
 *
 * The language is put over that of the editor; the notebook sets that again whenever a kernel starts. */

import { Language, syntaxTree } from '@codemirror/language';
import { Compartment, EditorState, type Extension, Prec } from '@codemirror/state';
import {
  Decoration,
  type DecorationSet,
  EditorView,
  MatchDecorator,
  ViewPlugin,
  type ViewUpdate,
} from '@codemirror/view';
import type { IEditorExtensionRegistry, IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { parseMixed } from '@lezer/common';
import { tags } from '@lezer/highlight';
import type { MarkdownParser } from '@lezer/markdown';

const HEAD = /^%%llm(?=\s|$)/;
const FIELD = /^\{[^\W\d]\w*(?:\.[^\W\d]\w*|\[[^\]{}]*\])*(?:![rsa])?(?::[^{}]*)?\}/u;
/** Cells of kernels of other languages have none of our magics. */
const OTHER = /^text\/x-(?!i?python$)/;
const BRACE = 123;
const LONGEST = 300; // letters of a field

const isPrompt = (first: string, mimeType: string): boolean => HEAD.test(first) && !OTHER.test(mimeType);

const MARK = Decoration.mark({ class: 'cm-llm-field' });
const CODE = /^(FencedCode|CodeText|InlineCode|CodeBlock)$/;

/** Whether a place stands in code of the Markdown, whose own language may nest in it. */
function inCode(view: EditorView, at: number): boolean {
  for (let node: { name: string; parent: unknown } | null = syntaxTree(view.state).resolve(at, 1); node; )
    if (CODE.test(node.name)) return true;
    else node = node.parent as typeof node;
  return false;
}

const FIELD_IN_CODE = new MatchDecorator({
  regexp: new RegExp(`(?<!\\{)(?:\\{\\{)*(${FIELD.source.slice(1)})`, 'gu'),
  decorate: (add, _, to, match, view) => {
    const from = to - match[1]!.length;
    if (inCode(view, from)) add(from, to, MARK);
  },
});

/** The kernel expands {fields} in code too, where Markdown's parser looks for no elements. */
const FIELDS_IN_CODE: Extension = [
  ViewPlugin.define(
    view => {
      let tree = syntaxTree(view.state);
      const plugin = {
        marks: FIELD_IN_CODE.createDeco(view) as DecorationSet,
        update(update: ViewUpdate) {
          // The parser may come to the code later than the text is drawn.
          const now = syntaxTree(update.state);
          plugin.marks =
            now === tree
              ? FIELD_IN_CODE.updateDeco(update, plugin.marks)
              : FIELD_IN_CODE.createDeco(update.view);
          tree = now;
        },
      };
      return plugin;
    },
    { decorations: plugin => plugin.marks },
  ),
  EditorView.baseTheme({ '.cm-llm-field': { color: 'var(--jp-mirror-editor-string-2-color, #a50)' } }),
];

/** The language of a prompt, from those that the host has. */
async function promptLanguage(languages: IEditorLanguageRegistry): Promise<Extension> {
  const [markdown, python] = await Promise.all([
    languages.getLanguage('ipythongfm'),
    languages.getLanguage('ipython'),
  ]);
  if (!markdown?.support) return [];
  const { language } = markdown.support;
  const inner = python?.support?.language.parser;
  const parser = (language.parser as MarkdownParser).configure({
    defineNodes: [
      { name: 'LLMLine', block: true },
      { name: 'LLMMagic', style: tags.meta },
      { name: 'LLMOption', style: tags.attributeName },
      { name: 'LLMValue', style: tags.string },
      { name: 'LLMField', style: tags.special(tags.string) },
    ],
    parseBlock: [
      {
        name: 'LLMLine',
        before: 'IndentedCode',
        parse(context, line) {
          const match = (context as { lineStart?: number }).lineStart === 0 && HEAD.exec(line.text);
          if (!match) return false;
          const begin = match[0].length;
          const parts = [context.elt('LLMMagic', 0, begin)];
          for (const word of line.text.slice(begin).matchAll(/\S+/g)) {
            const from = begin + word.index;
            const kind = word[0].startsWith('-') ? 'LLMOption' : 'LLMValue';
            parts.push(context.elt(kind, from, from + word[0].length));
          }
          context.addElement(context.elt('LLMLine', 0, line.text.length, parts));
          context.nextLine();
          return true;
        },
      },
    ],
    parseInline: [
      {
        name: 'LLMField',
        before: 'Escape',
        parse(context, next, at) {
          if (next !== BRACE) return -1;
          // {{ is a brace.
          if (context.char(at + 1) === BRACE)
            return at + 2 <= context.end ? context.addElement(context.elt('Escape', at, at + 2)) : -1;
          const match = FIELD.exec(context.slice(at, Math.min(context.end, at + LONGEST)));
          return match ? context.addElement(context.elt('LLMField', at, at + match[0].length)) : -1;
        },
      },
    ],
    wrap: parseMixed(node =>
      inner && node.type.name === 'LLMField'
        ? { parser: inner, overlay: [{ from: node.from + 1, to: node.to - 1 }] }
        : null,
    ),
  });
  return [
    new Language(language.data, parser, [], 'llm'),
    markdown.support.support,
    EditorView.lineWrapping,
    FIELDS_IN_CODE,
  ];
}

/** Have every editor of a code cell look at its first line. */
export function highlightPrompts(
  extensions: IEditorExtensionRegistry,
  languages: IEditorLanguageRegistry,
): void {
  let prompt: Extension | undefined;
  let ready: Promise<Extension> | undefined;
  const none: Extension = [];
  extensions.addExtension({
    name: 'llm-magics:prompts',
    factory: ({ model }) => {
      if ((model as unknown as { type?: string }).type !== 'code') return null;
      const slot = new Compartment();
      const wanted = (first: string) => isPrompt(first, model.mimeType);
      // The languages are fetched for the first prompt there is.
      const load = (view: EditorView) => {
        ready ??= promptLanguage(languages).then(extension => {
          prompt = extension;
          return extension;
        });
        void ready.then(extension => {
          if (slot.get(view.state) === none && wanted(view.state.doc.line(1).text))
            view.dispatch({ effects: slot.reconfigure(extension) });
        });
      };
      const own = [
        Prec.highest(slot.of(none)),
        EditorState.transactionExtender.of(change => {
          if (!change.docChanged || !prompt) return null;
          const was = slot.get(change.startState) !== none;
          const now = wanted(change.newDoc.line(1).text);
          return was === now ? null : { effects: slot.reconfigure(now ? prompt : none) };
        }),
        ViewPlugin.define(view => {
          if (wanted(view.state.doc.line(1).text)) load(view);
          return {
            update: ({ docChanged, state, view }) => {
              if (docChanged && !prompt && wanted(state.doc.line(1).text)) load(view);
            },
          };
        }),
      ];
      return { instance: () => own, reconfigure: () => null };
    },
  });
}
