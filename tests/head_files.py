"""Files of heads, changed as somebody would who forges them."""

import io
import json
import zipfile

import numpy as np


def with_facts(content, facts):
    """An archive of weights with other fields in its record."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            member = old.read(name)
            if name == "record.json":
                told = json.loads(member)
                told["head"] |= facts
                member = json.dumps(told).encode()
            new.writestr(name, member)
    return made.getvalue()


def repacked(content, forge):
    """An archive of weights with arrays multiplied, and members of other bytes, or without them."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            member, how = old.read(name), forge.get(name, 1)
            if isinstance(how, bytes):
                member = how
            elif how is not None and how != 1:
                array = np.load(io.BytesIO(member)) * np.float32(how)
                changed = io.BytesIO()
                np.save(changed, array)
                member = changed.getvalue()
            if how is not None:
                new.writestr(name, member)
    return made.getvalue()
