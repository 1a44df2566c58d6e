import { expect, test } from 'vitest';
import { promptExtractor } from '../src/jupyterlab/cells/promptExtractor.js';

test('a prompt is taken out of the Python of a notebook, and no other cell is', () => {
  const found = (code: string) => promptExtractor.hasForeignCode(code, 'code');
  expect(['%%llm', '%%llm -t 0\nHi', '%%llm_tune -n x\na => b'].map(found)).toEqual([true, true, true]);
  expect(['%llm hi', '%%llmx\nHi', 'x = 1\n%%llm\nHi', '%%time\nx'].map(found)).toEqual([
    false,
    false,
    false,
    false,
  ]);
});

test('its body is Markdown with its place, and nothing stays', () => {
  const [part] = promptExtractor.extractForeignCode('%%llm -t 0\nSay "it" \\u12\nand end"');
  expect(part).toEqual({
    foreignCode: 'Say "it" \\u12\nand end"',
    range: { start: { line: 1, column: 0 }, end: { line: 2, column: 8 } },
    virtualShift: null,
    hostCode: '',
  });
  expect(promptExtractor.extractForeignCode('%%llm')[0]!.foreignCode).toBe('');
});
