"""Decoders: from the pitch-bin probabilities of one whole clip to an F0 contour.

Every decoder is a pure function of arrays; see :mod:`extractors.decoders.pitch`.
"""
