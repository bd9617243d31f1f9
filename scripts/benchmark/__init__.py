"""Parts of `scripts/bench.py`: what is measured, on what, and how."""
