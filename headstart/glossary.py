"""The words of this project, each in a sentence or two; docs/glossary.md holds the same."""

from __future__ import annotations

import re
from dataclasses import dataclass

from headstart.errors import NotFound
from headstart.registry.names import nearest
from headstart.values.showable import Results, Showable


@dataclass(frozen=True)
class Term(Showable):
    """A word and what it means.

    Attributes:
        name: the word.
        text: what it means, in one or two sentences.
        also: other forms by which it is found in a text.
        is_basic: whether nearly every command is about it.
    """

    name: str
    text: str
    also: tuple[str, ...] = ()
    is_basic: bool = False

    def _facts(self) -> dict[str, str]:
        return {"term": self.name, "text": self.text}

    def _line(self) -> str:
        return f"{self.name!r}: {self.text}"

    def occurs_in(self, text: str) -> bool:
        """Abbreviations only as they are written, other words in any case."""
        return any(
            re.search(
                rf"(?<![\w-]){re.escape(form)}(?![\w-])",
                text,
                re.IGNORECASE if form.islower() else 0,
            )
            for form in (self.name, *self.also)
        )


def _basic(name: str, text: str, *also: str) -> Term:
    return Term(name, text, also, is_basic=True)


def _term(name: str, text: str, *also: str) -> Term:
    return Term(name, text, also)


TERMS = (
    _term("alias", "Another name of a backbone or head, such as production; it can be moved on."),
    _term(
        "augmented view",
        "A numbered variation of a picture (another crop, side and light), chosen by seed and "
        "content; 0 is the picture as it is.",
        "augmented views",
        "augmentation",
        "view",
    ),
    _term(
        "AUPRC",
        "Area under the curve of precision over recall, each class against all others, then the "
        "mean: how many of those that look most like a class are of it. By chance it is the "
        "share that the class has; with few samples of a class it is too high.",
        "mean average precision",
    ),
    _term(
        "AUROC",
        "Area under the ROC curve, each class against all others, then the mean: how often a "
        "sample of the class looks more like it than one of another. 0.5 is chance, 1 is best.",
    ),
    _basic("backbone", "A pretrained network that is run as it is and never trained."),
    _term(
        "balanced accuracy",
        "The mean recall of the classes: how often a head is right if all classes are equally "
        "frequent.",
    ),
    _term(
        "BBC-CV",
        "What the best of many is worth: it is chosen anew on samples drawn with replacement, and "
        "scored on those that were not drawn.",
    ),
    _term(
        "bottleneck",
        "A cut that every path from the input to the output passes through, so that the rest of "
        "the network can start there.",
        "bottlenecks",
    ),
    _term(
        "Brier score",
        "The squared distance of the probabilities from the truth, on average: 0 is best, 1 worst "
        "of two classes, 2 of more.",
        "Brier",
    ),
    _term(
        "calibrated",
        "Said of probabilities: among samples of which 0.9 is said, nine in ten are right.",
        "calibration",
        "probabilities",
    ),
    _term(
        "cross-validation",
        "The samples are dealt into parts (folds); each part is judged by a head that was trained "
        "on the others.",
        "fold",
        "folds",
    ),
    _basic(
        "cut",
        "The tensor of a backbone at which features are taken. BACKBONE alone means its default "
        "cut: what goes into the last layer that has weights.",
        "cuts",
        "cut point",
        "cut points",
    ),
    _basic("dataset", "An ordered list of samples with their labels and splits."),
    _term(
        "design effect",
        "How many times as many samples in groups are needed to know as much as from independent "
        "ones.",
    ),
    _term(
        "ECE",
        "Expected calibration error: how far what a head says of its sureness is from how often "
        "it is right, on average; 0 is best. Chance alone makes it larger with few samples: "
        "debiased, less what chance adds.",
    ),
    _term(
        "engine",
        "What runs the network: TensorFlow, or a faster one that was found to give the same "
        "numbers here.",
        "engines",
    ),
    _basic("features", "What a backbone gives for a sample at a cut; computed once and kept."),
    _term(
        "feature set",
        "All features of one cut, one preprocessing and one precision, of whichever datasets.",
        "feature sets",
        "feature key",
    ),
    _term(
        "few-shot", "Trained on a few samples of each class only, to see how far these go.", "shots"
    ),
    _term(
        "group",
        "Samples that belong together, such as photos of one animal; with their copies they stand "
        "in one split, and intervals count groups.",
        "groups",
    ),
    _term("H", "H-score: how far apart the classes lie in the features; higher is better."),
    _basic("head", "A small model, trained on features, that gives the class or number."),
    _term(
        "held out",
        "Said of samples that a head was not fitted on, and of scores on them; as a rule the test "
        "split.",
        "held-out",
    ),
    _term(
        "interval",
        "95 %: where the score would lie in 95 of 100 cases, had other samples of the same kind "
        "been tested. Few samples make it wide; where samples are in groups, few groups.",
        "intervals",
    ),
    _term(
        "kNN", "A sample is given the class of the samples that are nearest to it.", "neighbours"
    ),
    _term(
        "LogME",
        "How likely the labels are, given the features, whatever head is put on them; only to be "
        "compared within one dataset. Higher is better.",
    ),
    _term(
        "log loss",
        "How surprised a head is by the right classes, on average; sure and wrong costs most. "
        "Lower is better.",
    ),
    _term(
        "looks",
        "How many heads were scored on the same test samples. The best of many looks better than "
        "it is.",
    ),
    _term(
        "macro F1",
        "The mean over the classes of F1, which is high where most samples of a class are found "
        "and few others are taken for it; small classes count as much as large ones.",
    ),
    _term(
        "margin",
        "How probable a sample's label is, less how probable the class is that it looks like. The "
        "lower, the sooner look.",
    ),
    _term(
        "max-T",
        "A comparison of all with the best that allows for their number: of equally good ones it "
        "calls any worse in 5 % of cases at most.",
    ),
    _term(
        "McNemar",
        "A test of two heads on the same samples: whether one is right where the other is wrong "
        "more often than chance would have it.",
    ),
    _term(
        "near duplicate",
        "Two samples whose features nearly are the same, such as two photos of one moment.",
        "near duplicates",
    ),
    _term(
        "one standard error",
        "By how much a score moves by chance: what is less behind the best is about as good, and "
        "the simplest of those is the cautious choice.",
    ),
    _term(
        "penalty",
        "What large weights cost in training (ridge: alpha). A higher one gives a more cautious "
        "head.",
        "penalties",
    ),
    _term(
        "pooling",
        "How a map or a sequence becomes one vector: |gap is the mean over all places, |gmp the "
        "largest, |flatten all values.",
        "pooled",
    ),
    _basic(
        "precision",
        "With how many digits the backbone computes: float32, or bfloat16 or int8, which are "
        "faster where the processor has them.",
    ),
    _term(
        "preprocessing",
        "All that happens between a file and the network's input: decoding, size, scale of pixels.",
    ),
    _term("R2", "The share of the differences between numbers that a head explains; 1 is best."),
    _term(
        "recall",
        "Of the samples of a class, the share that a head finds; precision is, of those that it "
        "says to be of the class, the share that are.",
        "F1",
    ),
    _term("resplit", "To deal a dataset's samples to the splits anew; scores of before are void."),
    _basic("sample", "One picture, text, sound or row of a dataset.", "samples"),
    _basic(
        "seed", "The number that chance begins with: the same seed gives the same choice.", "seeds"
    ),
    _term("shard", "A file with some rows of a feature set; never changed once written.", "shards"),
    _term(
        "split",
        "train (to fit on), validation (to choose by) or test (to score on); a sample is in one.",
        "splits",
    ),
    _term("stratified", "Dealt out so that each split has its share of every class."),
    _term(
        "strength",
        "C, the inverse of the penalty on large weights: a higher strength follows the training "
        "samples more closely, a lower one is more cautious.",
        "strengths",
    ),
    _term("tail", "The part of a backbone from a cut to its output."),
    _term("trunk", "The part of a backbone from its input to a cut."),
    _term(
        "worth a look",
        "Said of labels that heads which had not seen the sample find improbable; many are right "
        "and rare.",
    ),
)


def terms_in(text: str) -> list[Term]:
    """Those of the words that occur in a text, but for the basic ones."""
    return [term for term in TERMS if not term.is_basic and term.occurs_in(text)]


def find_terms(word: str | None = None) -> Results[Term]:
    """The term that a word means; all without one.

    Raises:
        NotFound: there is none.
    """
    if word is None:
        return Results(TERMS)
    wanted = word.lower().replace("_", " ")
    found = [one for one in TERMS if wanted in (one.name.lower(), *map(str.lower, one.also))]
    if not found:
        known = [form for one in TERMS for form in (one.name, *one.also)]
        raise NotFound(
            f"no term {word!r} in the glossary",
            hint=nearest(word, known) or "See `headstart glossary` for all.",
        )
    return Results(found)


def to_markdown() -> str:
    """The page of the documentation."""
    lines = "".join(f"- **{term.name}**: {term.text}\n" for term in TERMS)
    return (
        "# Glossary\n\nThe words of tables, messages and options. `headstart glossary [TERM]` says "
        f"the same, and `-h` explains\nthose that a command uses.\n\n{lines}"
    )
