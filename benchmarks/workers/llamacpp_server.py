"""llama.cpp's server on loopback with parallel slots: the file, the number of slots, the tokens of a slot."""

import sys

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames, params.port = ["127.0.0.1"], 0
params.n_parallel = int(sys.argv[2])
params.n_ctx = int(sys.argv[2]) * int(sys.argv[3])
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(sys.argv[4])
server = xllamacpp.Server(params)
print("ready", server.listening_address, flush=True)
sys.stdin.read()
