"""What a configuration means, a function a family: its fields as those of DecoderSpec."""
