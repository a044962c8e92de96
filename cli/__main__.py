"""``python -m cli`` is ``onemap``."""

from cli.main import main

main()
