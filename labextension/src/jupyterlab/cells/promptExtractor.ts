/** Keeps prompts out of the Python that a language server reads: a quote or a backslash in a prompt would mark
 * errors in other cells. */

/** As `IForeignCodeExtractor` of @jupyterlab/lsp. */
export interface PromptExtractor {
  readonly language: string;
  readonly fileExtension: string;
  readonly standalone: boolean;
  readonly cellType: string[];
  hasForeignCode(code: string, cellType: string): boolean;
  extractForeignCode(code: string): {
    foreignCode: string;
    range: { start: Place; end: Place };
    virtualShift: null;
    hostCode: string;
  }[];
}

type Place = { line: number; column: number };

const HEAD = /^%%llm(?:_tune)?(?=\s|$)/;

export const promptExtractor: PromptExtractor = {
  language: 'markdown',
  fileExtension: 'md',
  standalone: true,
  cellType: ['code'],
  hasForeignCode: code => HEAD.test(code),
  extractForeignCode: code => {
    const lines = code.split('\n');
    const body = lines.slice(1);
    const last = body.at(-1) ?? '';
    const end = body.length
      ? { line: body.length, column: last.length }
      : { line: 0, column: lines[0]!.length };
    const start = body.length ? { line: 1, column: 0 } : end;
    return [{ foreignCode: body.join('\n'), range: { start, end }, virtualShift: null, hostCode: '' }];
  },
};
