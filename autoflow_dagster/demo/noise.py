"""Repeatable random numbers: the same on every machine, in any order, without any state.

A number is a hash of what it is for and of whom (``uniform("home", subscriber)``), so one more day
or one more subscriber changes nothing that was there before. numpy's own generators promise
neither the same stream from one version to the next nor independence of the order of drawing.
"""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
_Hashes = npt.NDArray[np.uint64]

# The constants of SplitMix64 (Steele, Lea and Flood 2014).
_INCREMENT = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_DROPPED_BITS = np.uint64(11)  # a double holds 53 of the 64


def uniform(purpose: str, *keys: int | IntArray) -> FloatArray:
    """Return numbers of [0, 1) that depend on nothing but the arguments.

    Parameters
    ----------
    purpose : str
        What the numbers are for; different purposes give independent numbers.
    *keys : int or array of int
        Whom they are for: not negative; arrays are broadcast against each other.

    Returns
    -------
    FloatArray
        Of the broadcast shape of the keys, at least one-dimensional.

    Examples
    --------
    >>> uniform("home", 3) == uniform("home", np.array([1, 2, 3]))[2]
    array([ True])
    """
    # Arrays of one element, not scalars: numpy warns when the product of scalars wraps round.
    state = np.full(1, zlib.crc32(purpose.encode()), dtype=np.uint64)
    for key in keys:
        state = _scramble(state ^ np.asarray(key).astype(np.uint64))
    return np.asarray((state >> _DROPPED_BITS) * 2.0**-53, dtype=np.float64)


def choose(chances: FloatArray, weights: FloatArray) -> IntArray:
    """Return for each chance of [0, 1) the index that it picks, in proportion to `weights`.

    Examples
    --------
    >>> choose(np.array([0.0, 0.74, 0.76]), np.array([3.0, 1.0])).tolist()
    [0, 0, 1]
    """
    edges = np.cumsum(weights) / np.sum(weights)
    edges[-1] = 1.0
    return np.searchsorted(edges, chances, side="right").astype(np.int64)


def _scramble(state: _Hashes) -> _Hashes:
    state = state + _INCREMENT
    state = (state ^ (state >> _SHIFTS[0])) * _FACTORS[0]
    state = (state ^ (state >> _SHIFTS[1])) * _FACTORS[1]
    return np.asarray(state ^ (state >> _SHIFTS[2]), dtype=np.uint64)
