"""One operation in a process of its own; prints the most memory it ever had, in MB."""

import re
import sys
from pathlib import Path

import headstart as hs

_, root, what, out = sys.argv
ws = hs.open(root)
if what == "extract":
    ws.extract("wide", "rows", settings=hs.Settings(batch_size=512))
elif what == "verify":
    ws.verify("wide", "rows", rows=64, full=True)
elif what == "batches":
    for epoch in ws.features("wide", "rows").batches(256, shuffle=True, epochs=2):
        assert epoch[0].shape[1] == 1280
elif what == "in order":
    for batch in ws.features("wide", "rows").batches(256):
        assert batch[0].shape[1] == 1280
elif what.startswith("export"):
    ws.features("wide", "rows").export(Path(out) / f"f{what.removeprefix('export')}")
# Not getrusage: its maximum is that of the process that started this one, if that had more.
(peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
sys.stdout.write(f"{int(peak) / 1024:.1f}\n")
