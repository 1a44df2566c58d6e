"""Records of tuning runs."""

from __future__ import annotations

from typing import Any


def record(**more: Any) -> dict[str, Any]:
    """A run of twelve steps."""
    text = more.pop("text", "aye")
    return {
        "schema": 1,
        "kind": "tuning",
        "id": "x",
        "final": True,
        "state": "done",
        "why": "12 steps were made",
        "name": "pirate",
        "model": {"name": "tiny", "precision": "repacked", "licence": "Apache-2.0"},
        "source": "cell",
        "rows": {"all": 22, "train": 18, "choose": 2, "final": 2},
        "rank": 8,
        "plan": {"first": 22, "steps": 12, "every": 4, "rate": 0.001, "reason": "the last 8 of 30 layers"},
        "step": 12,
        "total": 12,
        "tokens_per_s": 1180.0,
        "left_s": None,
        "memory": {"weights": 138e6, "adapter": 29e6, "activations": 412e6, "limit": 1.6e9},
        "weights": [921_600, 134_500_000],
        "loss": [list(range(1, 13)), [4.0 - n / 4 for n in range(12)]],
        "held_out": [[0, 4, 8, 12], [4.1, 3.0, 2.5, 2.6]],
        "best": 8,
        "rising": False,
        "notes": ["row 3 comes back word for word: 14 tokens of it in one answer"],
        "strength": 1.0,
        "adapter_step": 8,
        "prompts": [
            {
                "prompt": f"who are you {text}",
                "before": ["I", " am", text],
                "after": [{"step": 8, "strength": 1.0, "text": [["Arr ", 1], [text, 0]], "lost": [0]}],
            }
        ],
        "perplexity": {
            "before": 60.0,
            "after": 5.5,
            "before_interval": [50, 70],
            "after_interval": [5, 6],
            "change": 0.1,
            "change_interval": [0.09, 0.11],
            "rows": 2,
            "tokens": 80,
        },
        **more,
    }
