"""Settings in a real kernel: %config, files, variables, and the extension in IPython's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernel.conftest import Kernel

ASK = "%%llm -o a\nName the capital of France."


def test_settings_count_for_cells_that_state_no_option(fresh_kernel: Kernel, tmp_path: Path) -> None:
    kernel = fresh_kernel
    (tmp_path / "pyproject.toml").write_text("[tool.llm-magics]\nmax_tokens = 3\ntop_k = 7\n")
    kernel.run(f"import os; os.chdir({str(tmp_path)!r}); os.environ['LLM_MAGICS_TOP_K'] = '9'")
    assert kernel.run("%load_ext llm_magics").status == "ok"
    assert kernel.run("%config LLMMagics.temperature = 0").status == "ok"
    assert kernel.run(ASK).status == "ok"
    stated = "(a.options.max_tokens, a.options.top_k, a.options.temperature, a.options.top_p)"
    assert kernel.value(stated) == "(3, 9, 0.0, 0.95)"
    assert kernel.run(ASK.replace("-o", "-n 2 -t 0.5 -o")).status == "ok"
    assert kernel.value(stated) == "(2, 9, 0.5, 0.95)"
    shown = kernel.run("%llm config").stdout
    for line in ("temperature", "%config", "LLM_MAGICS_TOP_K", "pyproject.toml", "default"):
        assert line in shown
    wrong = kernel.run("%config LLMMagics.temprature = 1")
    assert "temprature" in wrong.error + wrong.stderr and "temperature" in wrong.error + wrong.stderr
    kernel.run("os.environ['LLM_MAGICS_MODLE'] = 'x'")
    result = kernel.run(ASK)
    assert result.status == "error" and "Did you mean model?" in result.error


def test_a_setting_names_the_model(fresh_kernel: Kernel, default_gguf: Path) -> None:
    kernel = fresh_kernel
    kernel.run("%load_ext llm_magics")
    assert kernel.run("%config LLMMagics.precision = 'int8'").status == "ok"
    assert kernel.run(ASK.replace("-o", "-n 2 -o")).status == "ok"
    assert kernel.value("a.model.precision") == "int8"
    assert kernel.run("%config LLMMagics.precision = 'fp16'").status == "ok"
    assert kernel.run(ASK.replace("-o", "-n 2 -p int8 -o")).status == "ok"
    assert kernel.value("a.model.precision") == "int8", "an option of the cell goes before the setting"
    assert kernel.run("%config LLMMagics.precision = 'auto'").status == "ok"
    assert kernel.run(ASK.replace("-o", "-n 2 -o")).status == "ok"
    assert kernel.value("a.model.precision") == "repacked"


@pytest.mark.parametrize(
    "config",
    [
        "c.InteractiveShellApp.extensions = ['llm_magics']",
        "c.MagicsManager.lazy_magics = {'llm': 'llm_magics', 'llm_tune': 'llm_magics'}",
    ],
)
def test_ipython_loads_the_extension_by_its_configuration(
    config: str, tmp_path: Path, default_gguf: Path
) -> None:
    profile = tmp_path / "profile_default"
    profile.mkdir()
    (profile / "ipython_config.py").write_text(f"c = get_config()\n{config}\nc.LLMMagics.max_tokens = 4\n")
    kernel = Kernel(IPYTHONDIR=str(tmp_path))
    try:
        assert kernel.run(ASK.replace("-o", "-t 0 -o")).status == "ok"
        assert kernel.value("a.options.max_tokens") == "4"
        assert "ipython_config.py" in kernel.run("%llm config").stdout
    finally:
        kernel.close()
