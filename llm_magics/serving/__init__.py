"""A model of this process as a server with the OpenAI API."""
