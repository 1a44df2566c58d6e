/** What the model reads for ghost text: the cell around the cursor, and the cells above of the same kind. */

export interface SourceCell {
  type: string;
  source: string;
}

export interface CursorText {
  prefix: string;
  suffix: string;
  above: string[];
  code: boolean;
}

const PROMPT = /^%%llm(?=\s|$)[^\n]*(\n|$)/;
const MOST_ABOVE = 20; // cells

/** The text of a cell without the option line of %%llm. */
const bodyOf = (source: string): string => source.replace(PROMPT, '');
const isProse = (cell: SourceCell): boolean => cell.type === 'markdown' || PROMPT.test(cell.source);

/** Split the notebook at the cursor; undefined where nothing is suggested, as in the option line.
 *
 * @param text the source of the cell.
 * @param offset of the cursor, in characters.
 * @param cells the cells above it. */
export function cursorText(
  type: string,
  text: string,
  offset: number,
  cells: SourceCell[],
): CursorText | undefined {
  const characters = [...text];
  let prefix = characters.slice(0, offset).join('');
  const suffix = characters.slice(offset).join('');
  const head = PROMPT.exec(text)?.[0];
  if (head !== undefined) {
    if (prefix.length < head.length || !head.endsWith('\n')) return undefined;
    prefix = prefix.slice(head.length);
  }
  const prose = isProse({ type, source: text });
  const above = cells
    .filter(cell => isProse(cell) === prose && (prose || cell.type === 'code'))
    .slice(-MOST_ABOVE)
    .map(cell => bodyOf(cell.source));
  return { prefix, suffix, above, code: !prose };
}
