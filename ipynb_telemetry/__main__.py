"""`python -m ipynb_telemetry` is `ipynb-telemetry`."""

from ipynb_telemetry.cli import main

main()
