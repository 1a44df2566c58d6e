"""``python -m llm_magics pull [NAME]``: fetch and convert a model, so that the first cell answers at once."""

from __future__ import annotations

import argparse
import sys

from .errors import LLMMagicsError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m llm_magics")
    verbs = parser.add_subparsers(dest="verb", required=True)
    pull = verbs.add_parser("pull", help="fetch and convert a model")
    pull.add_argument(
        "name", nargs="?", help="a catalogue name, org/name on the Hub, or a path; default model if left out"
    )
    pull.add_argument("--precision", default="auto")
    arguments = parser.parse_args()
    from .clean import line
    from .models.load import load

    try:
        model = load(arguments.name, precision=arguments.precision)
    except LLMMagicsError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(
        f"{line(model.name)} is ready: {model.info.precision}, {model.weights_bytes / 1e6:.0f} MB, licence "
        f"{model.info.licence}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
