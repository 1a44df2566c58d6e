"""``%llm doctor`` and ``python -m llm_magics doctor``: what is found, and what repairs it."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from llm_magics import doctor

ANSWERS = doctor._answers


def by_name() -> dict[str, doctor.Check]:
    return {check.name: check for check in doctor.run_checks()}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_answers", lambda address: True)


def test_a_working_installation() -> None:
    checks = by_name()
    for name in ("package", "python", "libraries", "providers", "cache", "network"):
        assert checks[name].level == "ok" and not checks[name].fix, checks[name]
    assert "CPU" in checks["providers"].detail and "onnxruntime" in checks["libraries"].detail


def test_every_line_that_is_not_ok_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("LLM_MAGICS_HOME", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(doctor, "_version", lambda name: None)
    monkeypatch.setattr(doctor, "_answers", lambda address: False)
    monkeypatch.setattr("llm_magics.engine.caches.cache_pool.free_bytes", lambda: 1 << 20)
    checks = by_name()
    levels = {name: check.level for name, check in checks.items()}
    assert levels["cache"] == levels["libraries"] == "wrong"
    assert levels["memory"] == levels["network"] == levels["widgets"] == levels["tuning"] == "warning"
    assert all(check.fix for check in checks.values() if check.level != "ok")
    report = doctor.report(list(checks.values()))
    assert "2 wrong, 4 warnings" in report and report.count("→") == 6


def test_another_project_with_our_import_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "llm_magics-1.2.1.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert by_name()["package"].level == "wrong" and "uninstall" in by_name()["package"].fix


def test_a_check_that_fails_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise RuntimeError("no /proc\nhere")

    monkeypatch.setattr("llm_magics.engine.caches.cache_pool.free_bytes", fail)
    assert by_name()["memory"].level == "warning" and "no /proc" in by_name()["memory"].detail


@pytest.mark.parametrize(("status", "answers"), [(200, True), (405, True), (501, True), (503, False)])
def test_a_server_answers_unless_its_gateway_fails(status: int, answers: bool) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}/"
    assert ANSWERS(address) is answers
    server.shutdown()
    server.server_close()
    assert not ANSWERS(address) and not ANSWERS("ftp://127.0.0.1") and not ANSWERS("http://[")


def test_the_command_line_prints_it() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "llm_magics", "doctor"], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode in (0, 1) and "ok       python" in ran.stdout and not ran.stderr
