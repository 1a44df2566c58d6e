"""A model class for lm-evaluation-harness: ``python -m llm_magics lm-eval run --model llm-magics …``.

The harness finds no classes of other packages by itself: :func:`main` registers this one and starts its
program.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from ..core.records import Generation
from ..errors import LLMMagicsError, UsageError
from ..inspection.reading.batch_score import ContinuationReader
from .scoring import encode_pair, ids_logprob, likelihoods

if TYPE_CHECKING:
    from ..models.model import Model

NAME = "llm-magics"
_MOST_TOKENS = 256  # of an answer, where the task states nothing


@cache
def register() -> type:
    """Register the class with lm-evaluation-harness, and return it.

    Raises:
        UsageError: lm_eval is not installed.
    """
    try:
        from lm_eval.api.model import LM
        from lm_eval.api.registry import register_model
    except ImportError:
        raise UsageError("lm_eval is not installed", hint="Run pip install lm_eval.") from None

    class HarnessModel(LM):  # type: ignore[misc]  # lm_eval has no types
        """Answers the requests of the harness.

        Args:
            pretrained: a model as :func:`load` takes it.
            model: one that is loaded already.
            **options: the arguments of :func:`load`, such as ``precision``.
        """

        def __init__(self, pretrained: str = "", model: Model | None = None, **options: Any) -> None:
            super().__init__()
            for name in ("batch_size", "max_batch_size", "device"):  # the harness always passes them
                options.pop(name, None)
            from ..models.loading.load import load

            self.model = model or load(pretrained or None, **options)

        @property
        def tokenizer_name(self) -> str:
            return self.model.name

        def chat_template(self, chat_template: Any = False) -> str | None:
            return self.model.template

        def apply_chat_template(self, chat_history: list[dict[str, str]], **options: Any) -> str:
            if not options.get("add_generation_prompt", True):
                raise UsageError("gen_prefix with a chat template is not supported", hint="Remove it.")
            return self.model.render(chat_history)

        def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> list[tuple[float, bool]]:
            """Return the log-likelihood of each continuation, and whether it is the greedy one."""
            groups: dict[str, list[int]] = {}
            for number, request in enumerate(requests):
                groups.setdefault(request.args[0], []).append(number)
            results: dict[int, tuple[float, bool]] = {}
            runtime = self.model.runtime
            reader = ContinuationReader(runtime)
            for context, numbers in groups.items():
                texts = [requests[number].args[1] for number in numbers]
                scores = likelihoods(runtime, context, texts, special=True, reader=reader)
                for number, score in zip(numbers, scores, strict=True):
                    results[number] = (score.total, score.greedy)
            return [results[number] for number in range(len(requests))]

        def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> list[float]:
            """Return the log-likelihood of each text; what is longer than the context is read in windows."""
            return [self._rolling(request.args[0]) for request in requests]

        def _rolling(self, text: str) -> float:
            from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

            tokenizer = self.model.tokenizer
            prefix, _ = encode_pair(tokenizer, "", text, special=True)
            windows = get_rolling_token_windows(
                token_list=tokenizer.encode(text, special=True),
                prefix_token=prefix[0],
                max_seq_len=self.model.context_length,
                context_len=1,
            )
            total = 0.0
            for before, ids in map(make_disjoint_window, windows):
                total += ids_logprob(self.model.runtime, before, ids)
            return total

        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            """Return the answer to each request, up to its stop strings."""
            return [self._generate(*request.args) for request in requests]

        def _generate(self, context: str, options: dict[str, Any]) -> str:
            options = dict(options)
            until = options.pop("until", None) or []
            until = [until] if isinstance(until, str) else list(until)
            sampled = options.pop("do_sample", False)
            most = options.pop("max_gen_toks", options.pop("max_new_tokens", _MOST_TOKENS))
            temperature = float(options.pop("temperature", 0.0)) if sampled else 0.0
            answer = self.model.generate(
                context,
                raw=True,
                max_tokens=int(most),
                temperature=temperature,
                stop=[text for text in until if text],
                alternatives=0,
                **options,
            )
            assert isinstance(answer, Generation)
            return answer.text

    register_model(NAME)(HarnessModel)
    return HarnessModel


def main(arguments: list[str]) -> int:
    """Run the program of lm-evaluation-harness with our model class registered."""
    try:
        register()
    except LLMMagicsError as error:
        print(error, file=sys.stderr)
        return 1
    from lm_eval.__main__ import cli_evaluate

    sys.argv = ["lm_eval", *arguments]
    cli_evaluate()
    return 0
