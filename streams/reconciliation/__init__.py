"""Recorded usage against what providers bill: which days and models agree, and by how much the others do not."""
