"""JSON, changed at random places: what configurations, presets and bundles are made of."""

import json

NAMES = [
    ("builtins", "eval"),
    ("os", "system"),
    ("subprocess", "Popen"),
    ("keras.layers", "Lambda"),
    ("keras.layers", "TorchModuleWrapper"),
    ("keras.layers", "JaxLayer"),
    ("keras.layers", "TFSMLayer"),
    ("keras.layers", "StringLookup"),
    ("keras.layers", "Dense"),
    ("keras.layers", "deserialize"),
    ("keras.utils", "get_file"),
    ("keras.src.models.functional", "Functional"),
    ("keras.saving", "load_model"),
    ("keras_hub.src.models.whisper.whisper_tokenizer", "WhisperTokenizer"),
    ("keras_hub.src.tokenizers.byte_pair_tokenizer", "BytePairTokenizer"),
]


def values(canary):
    nested = []
    for _ in range(2000):
        nested = [nested]
    return [
        None,
        True,
        -1,
        0,
        1 << 31,
        1 << 62,
        10**30,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x" * 5000,
        "\x1b[31m\x07\x00",
        "\ud800",
        "../../canary",
        str(canary),
        f"file://{canary}",
        "relu",
        "float16",
        "string",
        [],
        {},
        [None, 1 << 40, 3],
        [20_000, 20_000],
        nested,
    ]


def mutated_text(content, random, canary):
    """A JSON document with one place changed; as bytes."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return content
    if random.random() < 0.05:
        return content[: random.randrange(len(content) + 1)]
    tree = mutated(tree, random, canary)
    return dumped(tree)


def dumped(tree):
    try:
        return json.dumps(tree).encode("utf-8", "surrogatepass")
    except (RecursionError, ValueError):  # ValueError: a part was put into itself
        return b"[" * 100_000


def mutated(tree, random, canary):
    places = list(places_of(tree))
    if not places:
        return random.choice(values(canary))
    owner, key = random.choice(places)
    how = random.random()
    if how < 0.45:
        owner[key] = random.choice(values(canary))
    elif how < 0.6:
        named(random.choice([o for o, _ in places]), random)
    elif how < 0.7 and isinstance(owner, dict):
        del owner[key]
    elif how < 0.8 and isinstance(owner, dict):
        owner[random.choice(["function", "fn", "vocabulary", "special_tokens", "module", "x"])] = (
            random.choice(values(canary))
        )
    elif how < 0.9:
        other, place = random.choice(places)
        owner[key] = other[place]
    elif isinstance(owner, list):
        owner.append(owner[key])
    else:
        owner[key] = [owner[key]]
    return tree


def named(owner, random):
    """Another class or function is named."""
    module, name = random.choice(NAMES)
    if isinstance(owner, dict):
        key = "class_name" if "class_name" in owner else random.choice(sorted(owner) or ["x"])
        owner[key] = name
        if "module" in owner and random.random() < 0.7:
            owner["module"] = module
        if "registered_name" in owner and random.random() < 0.5:
            owner["registered_name"] = name
    elif owner:
        owner[random.randrange(len(owner))] = {
            "module": module,
            "class_name": name,
            "config": {"name": "x", "function": "x"},
            "registered_name": None,
        }


def places_of(tree, depth=0):
    """(dict or list, key) of every value; not below a hundred levels."""
    if depth > 100:
        return
    pairs = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for key, value in list(pairs):
        yield tree, key
        yield from places_of(value, depth + 1)
