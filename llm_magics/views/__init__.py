"""Records → pictures. A view is a pure function of a record."""
