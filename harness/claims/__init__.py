"""Published figures beside what was measured: the ledger of claims.

A claim is a figure that somebody has published, with its unit, the hardware it was
stated for, and the cell and metric that test it. :mod:`.reader` reads files of claims
strictly, :mod:`.judge` holds them against the records of a run, :mod:`.view` shows the
outcome. The statuses, of which each claim and cell has one:

- ``reproduced``: the interval of the measurement meets the figure's tolerance;
- ``better``: it lies beyond it on the good side;
- ``not_reproduced``: it lies beyond it on the bad side, or anywhere else where the
  metric has no good side;
- ``other_hardware``: measured, but not on the hardware that the figure was stated for,
  so neither confirmed nor refuted;
- ``malformed``: the figure does not say what it seems to, whatever is measured;
- ``contradicted``: its own source states another value for the same thing;
- ``not_measured``: no cell, no metric, or nothing that a machine could measure.

Nothing measured is ever stored in a file of claims: it comes from records only.
"""
