// What is shipped: an ES module for anywidget, a script for pages of their own, JupyterLab's prebuilt extension.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

// esbuild leaves template strings as they are; style sheets need no line breaks.
const styles = {
  name: 'styles',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.css\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(/css`[^`]*`/g, rules => rules.replace(/\s+/g, ' ')),
      loader: 'ts',
    })),
};

for (const [host, name, format] of [
  ['anywidget', 'widget', 'esm'],
  ['page', 'page', 'iife'],
])
  await build({
    entryPoints: [`src/hosts/${host}.ts`],
    bundle: true,
    minify: true,
    plugins: [styles],
    format,
    target: 'es2022',
    legalComments: 'none',
    outfile: `../llm_magics/static/${name}.js`,
  });

// The builder asks for a JupyterLab to build against; all it reads of it is this one file.
mkdirSync('build/core', { recursive: true });
copyFileSync('node_modules/@jupyterlab/core-meta/core.package.json', 'build/core/package.json');
rmSync('../llm_magics/labextension', { recursive: true, force: true });
const builder = 'node_modules/@jupyterlab/builder/lib/build-labextension.js';
const { status } = spawnSync(process.execPath, [builder, '--core-path', 'build/core', '.'], {
  stdio: 'inherit',
});
process.exit(status ?? 1);
