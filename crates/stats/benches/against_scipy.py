"""Measures scipy's asymptotic Mann-Whitney test of two files of floats: prints seconds, p and peak memory in KiB.

against_scipy.py X Y [COUNTS]: with COUNTS, X and Y hold counts per bucket, which scipy has no form for: they are expanded, unmeasured.
"""

import re
import sys
import time

import numpy as np
from scipy.stats import mannwhitneyu

x, y = (np.fromfile(name) for name in sys.argv[1:3])
if len(sys.argv) > 3:
    x, y = (np.repeat(np.arange(len(counts), dtype=float), counts.astype(int)) for counts in (x, y))
best, began = float("inf"), time.perf_counter()
while best == float("inf") or time.perf_counter() - began < 1:
    start = time.perf_counter()
    p = mannwhitneyu(x, y, alternative="greater", method="asymptotic").pvalue
    best = min(best, time.perf_counter() - start)
with open("/proc/self/status") as status:
    peak = re.search(r"VmHWM:\s*(\d+)", status.read()).group(1)
print(best, p, peak)
