"""Records of whole answers: side by side, generated again, and as corrected cells."""
