"""Models behind a server with the OpenAI API: vLLM, llama.cpp, Ollama, LM Studio and others."""
