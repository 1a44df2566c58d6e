"""The MIME types of what a notebook keeps. Twin: labextension/src/protocol/mime.ts; a test compares them."""

GENERATION_MIME = "application/vnd.llm-magics.generation+json"
INSPECTION_MIME = "application/vnd.llm-magics.inside+json"  # the name in saved notebooks
TUNING_MIME = "application/vnd.llm-magics.tuning+json"
PLAYGROUND_MIME = "application/vnd.llm-magics.playground+json"
