// Markdown as JupyterLab renders it: its own copy of marked, between what its latex.ts does before and after.
// Reads JSON lists of texts, one a line, and writes lists of HTML.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

function load(path) {
  const chunks = [];
  new Function('self', readFileSync(path, 'utf8'))(new Proxy({}, { get: () => chunks, set: () => true }));
  const define = Object.values(chunks[0][1])[0];
  const exports = {};
  const require = Object.assign(() => ({}), {
    r: () => {},
    d: (target, getters) => {
      for (const [name, get] of Object.entries(getters)) Object.defineProperty(target, name, { get, enumerable: true });
    },
  });
  define({ exports }, exports, require);
  return exports;
}

const SPLIT = /(\$\$?|\\(?:begin|end)\{[a-z]*\*?\}|\\[{}$]|[{}]|(?:\n\s*)+|@@\d+@@|\\\\(?:\(|\)|\[|\]))/i;

function removeMath(text) {
  const math = [];
  let start = null, end = null, last = null, braces = 0;
  let restore = (part) => part;
  if (text.includes('`') || text.includes('~~~')) {
    const hide = (whole) => whole.replace(/\$/g, '~D');
    text = text
      .replace(/~/g, '~T')
      .replace(/^(?<fence>`{3,}|(~T){3,})[^`\n]*\n([\s\S]*?)^\k<fence>`*$/gm, hide)
      .replace(/(^|[^\\])(`+)([^\n]*?[^`\n])\2(?!`)/gm, hide);
    restore = (part) => part.replace(/~([TD])/g, (_, n) => (n === 'T' ? '~' : '$'));
  }
  const blocks = text.replace(/\r\n?/g, '\n').split(SPLIT);
  const take = (i, j) => {
    const block = blocks.slice(i, j + 1).join('').replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
    for (let k = j; k > i; k--) blocks[k] = '';
    blocks[i] = `@@${math.length}@@`;
    math.push(restore(block));
  };
  for (let i = 1; i < blocks.length; i += 2) {
    const block = blocks[i];
    if (block[0] === '@') {
      blocks[i] = `@@${math.length}@@`;
      math.push(block);
    } else if (start !== null) {
      if (block === end) {
        if (braces) last = i;
        else { take(start, i); start = end = last = null; }
      } else if (/\n.*\n/.test(block)) {
        if (last !== null) { i = last; take(start, i); }
        start = end = last = null;
        braces = 0;
      } else if (block === '{') braces++;
      else if (block === '}' && braces) braces--;
    } else if (block === '$' || block === '$$') { start = i; end = block; braces = 0; }
    else if (block === '\\\\(' || block === '\\\\[') { start = i; end = block === '\\\\(' ? '\\\\)' : '\\\\]'; braces = 0; }
    else if (block.slice(1, 6) === 'begin') { start = i; end = `\\end${block.slice(6)}`; braces = 0; }
  }
  if (start !== null && last !== null) take(start, last);
  return { text: restore(blocks.join('')), math };
}

const { marked } = load(process.argv[2]);
for await (const line of createInterface({ input: process.stdin })) {
  const out = JSON.parse(line).map((source) => {
    const { text, math } = removeMath(source);
    return marked.parse(text).replace(/@@(\d+)@@/g, (_, n) => math[n]);
  });
  process.stdout.write(`${JSON.stringify(out)}\n`);
}
