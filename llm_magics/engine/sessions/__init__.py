"""Sessions of ONNX Runtime, and the packed weights that they map."""
