"""Measure how well labelled pictures are ranked. Datasets and results need no extra; metrics need the extra `eval`."""
