"""Multiple-choice tasks in the format of lm-evaluation-harness, and models side by side on them."""
