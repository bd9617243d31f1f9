"""Dates: sets of them, date stencils, and the parameters hashes of many. Pure; planning is elsewhere."""
