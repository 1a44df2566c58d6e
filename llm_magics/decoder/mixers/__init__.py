"""What mixes the tokens of a layer: attention, short convolutions, recurrent linear attention."""
