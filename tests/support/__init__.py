"""What the tests share: models, servers, records and pages."""
