"""Counts down and says so through a probe that did not exist when the program was written.

pip install stapsdt
python3 first_probe.py [COUNT [MILLISECONDS]]
"""

import sys
import time

import stapsdt

count, pause = (int(sys.argv[i]) if len(sys.argv) > i else usual for i, usual in ((1, 60), (2, 1000)))

provider = stapsdt.Provider("testProvider")
probe = provider.add_probe("firstProbe", stapsdt.ArgTypes.uint64, stapsdt.ArgTypes.uint64)
provider.load()
for left in reversed(range(count)):
    if probe.fire(left, "My little probe"):
        print("Probe fired!", flush=True)
    time.sleep(pause / 1000)
provider.unload()
