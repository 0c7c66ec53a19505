"""The package `stapsdt` of PyPI, unchanged, with every type it has; fires until its input ends."""

import select
import sys

from stapsdt import ArgTypes, Provider

provider = Provider("pythonProvider")
signed = provider.add_probe("signed", ArgTypes.int8, ArgTypes.int16, ArgTypes.int32, ArgTypes.int64)
unsigned = provider.add_probe("unsigned", ArgTypes.uint8, ArgTypes.uint16, ArgTypes.uint32, ArgTypes.uint64)
texts = provider.add_probe("texts", *[ArgTypes.uint64] * 6)
none = provider.add_probe("none")

assert not none.fire() and not none.is_enabled
# Its load() says what the C function returned: 0.
assert provider.load() is False
assert not none.is_enabled
print("ready", flush=True)

enabled = False
while not select.select([sys.stdin], [], [], 0.005)[0]:
    signed.fire(-5, -300, -70000, -3)
    unsigned.fire(200, 60000, 70000, 3)
    texts.fire("a", "bb", "größe", "dddd", "eeeee", "ffffff")
    assert none.fire() in (True, False)
    if none.is_enabled != enabled:
        enabled = none.is_enabled
        print("enabled", enabled, flush=True)

assert provider.unload() is False
assert not none.is_enabled and not signed.fire(1, 2, 3, 4)
del provider
