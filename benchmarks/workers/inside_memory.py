"""What one view of 1,000 tokens takes next to the model: peak resident memory, in MB, and seconds.

python inside_memory.py VIEW
"""

import resource
import sys
import time

import llm_magics as lm
from llm_magics.models.fidelity import sample_text


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main() -> None:
    model = lm.load()
    ids = (model.tokenizer.encode(sample_text()) * 2)[:1000]
    text = model.tokenizer.decode(ids)
    model.generate("Hi", max_tokens=4)
    looks = {
        "score": lambda: model.score(text),
        "lens": lambda: model.logit_lens(text),
        "attention": lambda: model.attention(text),
        "probe": lambda: model.probe(text, [" and so on", " but not this", " end"]),
        "compare": lambda: lm.compare(model.score(text), model.score(text)),
        "watch": lambda: model.track(text, [" the"]),
        "memorised": lambda: model.memorization(text),
        "tree": lambda: model.sample_tree(text, samples=8, max_tokens=8),
        "attribute": lambda: model.attribution(ids[:100]),
        "walk": lambda: model.walkthrough(ids[:500]),
        "replay": lambda: model.replay(model.generate(text[:2000], max_tokens=200, raw=True)),
        "tokenize": lambda: model.tokenize(text),
    }
    before, began = peak_mb(), time.perf_counter()
    looks[sys.argv[1]]()
    print(f"{peak_mb() - before:.0f} {time.perf_counter() - began:.2f}")


main()
