"""LoRA adapters: their files, the modules they change, and sessions with them."""
