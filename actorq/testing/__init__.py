"""What users and we test with. Nothing that ships to production imports it."""
