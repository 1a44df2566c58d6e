"""The options of ``%llm`` and ``%%llm``."""

from __future__ import annotations

from ..answers.formats import check_format
from ..inspection.subcommands import OPTIONS as INSPECTION
from .option_parser import Option


def _unescape(text: str) -> str:
    return text.replace("\\n", "\n").replace("\\t", "\t")


def think_tokens(text: str) -> int:
    """Return the most tokens of reasoning: a whole number, or 0 for "off".

    Raises:
        ValueError: it is neither.
    """
    if text == "off":
        return 0
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count


OPTIONS = (
    Option(
        ("-m", "--model"),
        "model",
        "NAME of the catalogue, org/name on the Hub, or a path, with :int4 and the like for its "
        "precision, or a server (openai:http://HOST:PORT/v1#NAME); "
        "later cells reuse it (-m default resets it); several answer side by side",
        sampling=False,
        many=True,
    ),
    Option(
        ("-a", "--adapter"),
        "adapter",
        "NAME[:strength] of an adapter (%llm adapters lists them), or the folder of a LoRA adapter",
        sampling=False,
    ),
    Option(
        ("-s", "--system"),
        "system",
        "TEXT of the system message; '' removes the model's own",
        sampling=False,
    ),
    Option(("-n", "--max-tokens"), "max_tokens", "generate at most N tokens (256)", int),
    Option(("-t", "--temperature"), "temperature", "sampling temperature T; 0 is greedy (0.7)", float),
    Option(("--top-k",), "top_k", "sample from the K most likely tokens; 0 is all (40)", int),
    Option(
        ("--top-p",),
        "top_p",
        "sample from the most likely tokens with a total probability of P (0.95)",
        float,
    ),
    Option(
        ("--min-p",),
        "min_p",
        "sample from tokens with at least P times the highest probability (0.05)",
        float,
    ),
    Option(
        ("--repetition-penalty",), "repetition_penalty", "penalty R on repeated tokens; 1 is none (1)", float
    ),
    Option(
        ("--presence-penalty",),
        "presence_penalty",
        "penalty P on tokens that the answer has already, from -2 to 2; 0 is none (0)",
        float,
    ),
    Option(
        ("--frequency-penalty",),
        "frequency_penalty",
        "penalty P for each time that the answer has a token, from -2 to 2; 0 is none (0)",
        float,
    ),
    Option(
        ("--no-repeat",),
        "no_repeat_ngram_size",
        "never repeat N tokens in a row of prompt and answer; 0 is off (0)",
        int,
    ),
    Option(("--seed",), "seed", "seed N of the sampling; the same seed gives the same text (0)", int),
    Option(
        ("--stop",),
        "stop",
        "TEXT that ends the answer; \\n is a line break; may be repeated",
        _unescape,
        many=True,
    ),
    Option(
        ("-c", "--continue"),
        "conversation",
        "continue the last conversation, or the conversation NAME (in a line: -c=NAME)",
        sampling=False,
        optional=True,
    ),
    Option(
        ("--see",),
        "see",
        "add cells and variables of the notebook: above, the number of a cell, or a name; "
        "several with commas; may be repeated",
        sampling=False,
        many=True,
    ),
    Option(
        ("--fit",), "fit", "drop the oldest parts of the context where it is too long", None, sampling=False
    ),
    Option(
        ("--background",),
        "background",
        "generate the answer while other cells run; -o JOB has text, stop() and result()",
        None,
        sampling=False,
    ),
    Option(
        ("--tools",),
        "tools",
        "functions F,G of the notebook that the model may call; each call is shown and confirmed",
        sampling=False,
    ),
    Option(("--tools-run",), "tools_run", "run the calls of this cell without asking", None, sampling=False),
    Option(
        ("--schema",),
        "schema",
        "form of the answer: the NAME of a type or a schema of the notebook, JSON Schema, or 'name, age int'",
        sampling=False,
    ),
    Option(("--regex",), "regex", "form of the answer: a full match of the pattern REGEX", sampling=False),
    Option(("--grammar",), "grammar", "form of the answer: the NAME of a Lark grammar", sampling=False),
    Option(
        ("--decide",),
        "decide",
        "typed questions about the text: 'team: billing|tech|sales; urgent?; severity 1-5'",
        sampling=False,
    ),
    Option(
        ("--map",),
        "rows",
        "one prompt for each row of TABLE.COLUMN or of a list; {COLUMN} is a value of the row, {row} its own",
        sampling=False,
    ),
    Option(
        ("--truth",),
        "truth",
        "the true labels TABLE.COLUMN of --map and --choices: accuracy, and which labels are mixed up",
        sampling=False,
    ),
    Option(
        ("--on",),
        "workers",
        "answer the rows of --map on a Dask cluster: tcp://HOST:PORT, or the NAME of a client or a cluster",
        sampling=False,
    ),
    Option(
        ("--choices",),
        "choices",
        "labels A,B,C with their exact probabilities; A=a|b gives spellings",
        sampling=False,
    ),
    Option(
        ("--draft",),
        "draft",
        "a smaller model NAME of the same family that guesses tokens; the answer stays as it is",
        sampling=False,
    ),
    Option(("--fresh",), "fresh", "generate the answer again, although it is kept", None, sampling=False),
    Option(("-R", "--reasoning"), "reasoning", "show the model's reasoning unfolded", None, sampling=False),
    Option(
        ("--think",),
        "think",
        "at most N tokens of reasoning, or off",
        think_tokens,
        sampling=False,
    ),
    Option(
        ("-f", "--format"),
        "format",
        "make of the answer: text, markdown, code (a cell below), table (a DataFrame) or json (a value)",
        check_format,
        sampling=False,
    ),
    Option(("-o", "--out"), "variable", "store the answer in the variable VAR", sampling=False),
    Option(
        ("-p", "--precision"),
        "precision",
        "precision of the weights: auto, fp32, fp16, int8, w8a8, int4 or exact",
        sampling=False,
    ),
    Option(
        ("--file",), "file", "FILE of a repository or folder that has several model files", sampling=False
    ),
    Option(
        ("--kv-cache",),
        "kv_cache",
        "number format of the KV cache: fp32, or int8 for long contexts in a quarter of the memory",
        sampling=False,
    ),
    Option(
        ("--device",),
        "device",
        "device to run on: auto (a CUDA card where there is one), cpu, cuda or cuda:N",
        sampling=False,
    ),
    Option(
        ("--ignore-config",),
        "ignore_config",
        "load the model although its configuration field NAME is not supported; may be repeated",
        sampling=False,
        many=True,
    ),
    Option(("--threads",), "threads", "number N of threads", int, sampling=False),
    Option(
        ("--cache-mb",), "cache_mb", "N MB of memory for the KV caches of conversations", int, sampling=False
    ),
    Option(
        ("--anyway",),
        "anyway",
        "load the model although it does not fit into the free memory",
        None,
        sampling=False,
    ),
    Option(
        ("--tokens",),
        "tokens",
        "show the probability and the alternatives of every token",
        None,
        sampling=False,
    ),
    Option(
        ("--eval",),
        "evaluate",
        "evaluate any Python expression in {…} of this cell",
        None,
        sampling=False,
    ),
    Option(("--raw",), "raw", "continue the text without a chat template", None, sampling=False),
    *INSPECTION,
    Option(("-q", "--quiet"), "quiet", "show no output", None, sampling=False),
    Option(("-h", "--help"), "help", "show this help", None, sampling=False),
)
LOADING = {
    "model",
    "adapter",
    "precision",
    "kv_cache",
    "device",
    "threads",
    "file",
    "ignore_config",
    "cache_mb",
    "anyway",
}
SAMPLING = {option.name for option in OPTIONS if option.sampling}


def flag_of(name: str) -> str:
    """Return how an option is written in full."""
    return next(option.flags[-1] for option in OPTIONS if option.name == name)
