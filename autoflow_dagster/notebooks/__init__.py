"""Notebooks: what is in their files, and how one is executed in a kernel of its own.

Imports nothing itself: kernels import parts of it. What Dagster makes of a notebook is in
`notebook_op`, reports are in `reports`.
"""
