"""Once, in the peers' environment: the GGUF file's weights as a transformers checkpoint, and optimum's export
of it.
"""

import sys
from pathlib import Path

import torch
from optimum.onnxruntime import ORTModelForCausalLM
from transformers import AutoModelForCausalLM

gguf, cache = Path(sys.argv[1]), Path(sys.argv[2])
model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
model.save_pretrained(cache)
ORTModelForCausalLM.from_pretrained(cache, export=True).save_pretrained(str(cache) + "-onnx")
