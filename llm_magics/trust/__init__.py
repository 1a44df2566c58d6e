"""What a model may be used for: licenses as conditions, and what saving a model does for them."""
