"""The command ``modelyard``: one module per subcommand, each with ``add`` and ``run``."""
