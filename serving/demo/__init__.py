"""Plain: what the demo is made of: three models trained on data that ships in packages."""
