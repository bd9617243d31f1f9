"""A FlowAPI to try things with: synthetic call detail records, real queries, real tokens.

The parts, from the bottom up: `noise` (repeatable random numbers), `country` and `polygons` (where
people live), `records` (what they do), `store` (DuckDB), `specs` and `queries` (what can be asked),
`engine` (asking it in the background), `tokens`, `app` (HTTP), `listening` and `server`.
Nothing here is imported by the code location: a production FlowAPI is somebody else's server.
"""
