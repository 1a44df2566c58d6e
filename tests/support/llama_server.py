"""A real llama.cpp server on loopback, in a process of its own: run as a script with a file and its alias."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serve(file: Path, name: str) -> Iterator[str]:
    """Yield the address of a server with this model."""
    command = [sys.executable, __file__, str(file), name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = next(line.split()[1] for line in process.stdout if line.startswith("ready"))
            yield f"{address}/v1"
        finally:
            process.kill()


def main() -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.model_alias = sys.argv[1], [sys.argv[2]]
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_ctx, params.n_parallel = 2048, 2
    server = xllamacpp.Server(params)
    print("ready", server.listening_address, flush=True)
    sys.stdin.read()  # until the test ends


if __name__ == "__main__":
    main()
