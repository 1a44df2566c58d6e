// What is shipped: an ES module for anywidget, a script for pages of their own, JupyterLab's prebuilt extension.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

for (const [name, format] of [
  ['widget', 'esm'],
  ['page', 'iife'],
])
  await build({
    entryPoints: [`src/hosts/${name}.ts`],
    bundle: true,
    minify: true,
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
