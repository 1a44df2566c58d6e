"""``python -m llm_magics pull [NAME]`` downloads and converts a model; ``doctor`` checks the installation.

``lm-eval …`` runs lm-evaluation-harness with our model class.
"""

from __future__ import annotations

import argparse
import sys

from .errors import LLMMagicsError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m llm_magics")
    verbs = parser.add_subparsers(dest="verb", required=True)
    pull = verbs.add_parser("pull", help="download and convert a model")
    pull.add_argument(
        "name", nargs="?", help="a catalogue name, org/name on the Hub, or a path (the default model)"
    )
    pull.add_argument("--precision", default="auto")
    verbs.add_parser("doctor", help="check the installation")
    verbs.add_parser("lm-eval", help="run lm_eval with the model class llm-magics", add_help=False)
    arguments, others = parser.parse_known_args()
    if arguments.verb == "lm-eval":
        from .evaluation.lm_eval_model import main as run_lm_eval

        return run_lm_eval(others)
    if others:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    if arguments.verb == "doctor":
        from . import doctor

        results = doctor.run_checks()
        print(doctor.report(results))
        return int(any(result.level == "wrong" for result in results))
    from .models.loading.load import load
    from .sanitize import single_line

    try:
        model = load(arguments.name, precision=arguments.precision)
    except LLMMagicsError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    size = f"{model.weights_bytes / 1e6:.0f} MB"
    print(f"{single_line(model.name)} is ready: {model.info.precision}, {size}, licence {model.info.license}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
