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
    _term(
        "alias",
        "Another name of a backbone or head, such as production. It can be moved to "
        "another version.",
    ),
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
        "Area under the curve of precision over recall, for each class against all "
        "others, then the mean: how many of the samples that look most like a class "
        "belong to it. Guessing gives the share of the class. With few samples of a "
        "class it is too high.",
        "mean average precision",
    ),
    _term(
        "AUROC",
        "Area under the ROC curve, for each class against all others, then the mean: how "
        "often a sample of the class looks more like it than a sample of another class "
        "does. 0.5 is guessing, 1 is best.",
    ),
    _basic("backbone", "A pretrained network that is used unchanged."),
    _term(
        "balanced accuracy",
        "The mean recall of the classes: how often a head is right if all classes are equally "
        "frequent.",
    ),
    _term(
        "BBC-CV",
        "Estimates what the best of many is worth: it is chosen again on samples drawn "
        "with replacement, and scored on those that were not drawn.",
    ),
    _term(
        "bottleneck",
        "A cut that every path from the input to the output passes through, so that the rest of "
        "the network can start there.",
        "bottlenecks",
    ),
    _term(
        "Brier score",
        "Mean squared distance of the probabilities from the truth. 0 is best; the worst "
        "is 1 with two classes, 2 with more.",
        "Brier",
    ),
    _term(
        "calibrated",
        "Probabilities are calibrated if predictions with 0.9 are right nine times in ten.",
        "calibration",
        "probabilities",
    ),
    _term(
        "cross-validation",
        "The samples are dealt into parts (folds). Each part is judged by a head that "
        "was trained on the others.",
        "fold",
        "folds",
    ),
    _basic(
        "cut",
        "The layer of a backbone whose output is used as features. BACKBONE alone means "
        "its default cut: the input of the last layer that has weights.",
        "cuts",
        "cut point",
        "cut points",
    ),
    _basic("dataset", "An ordered list of samples with their labels and splits."),
    _term(
        "design effect",
        "How many times as many samples are needed, because they are in groups, to know "
        "as much as from independent ones.",
    ),
    _term(
        "ECE",
        "Expected calibration error: mean distance between how sure a head is and how "
        "often it is right. 0 is best. With few samples chance makes it larger; debiased "
        "means without that part.",
    ),
    _term(
        "engine",
        "The program that runs the network: TensorFlow, or a faster one that gives the "
        "same numbers on this machine.",
        "engines",
    ),
    _basic("features", "The output of a backbone for a sample at a cut. Computed once and kept."),
    _term(
        "feature set",
        "All features of one cut with one preprocessing and one precision, from any dataset.",
        "feature sets",
        "feature key",
    ),
    _term(
        "few-shot",
        "Trained on only a few samples of each class, to see whether they are enough.",
        "shots",
    ),
    _term(
        "group",
        "Samples that belong together, such as photos of one animal. They and their "
        "copies stay in one split, and intervals count groups.",
        "groups",
    ),
    _term("H", "H-score: how far apart the classes are in the features. Higher is better."),
    _basic("head", "A small model, trained on features, that predicts the class or number."),
    _term(
        "held out",
        "Samples that a head was not fitted on, and scores on them; usually the test split.",
        "held-out",
    ),
    _term(
        "interval",
        "The range that holds the true score in 95 of 100 cases. Few samples make it "
        "wide, and few groups if samples are in groups.",
        "intervals",
    ),
    _term(
        "kNN",
        "k nearest neighbours: a sample gets the class of the samples nearest to it.",
        "neighbours",
    ),
    _term(
        "LogME",
        "How probable the labels are, given the features, for any head. Comparable "
        "within one dataset only. Higher is better.",
    ),
    _term(
        "log loss",
        "How surprised a head is by the right classes, on average. Being sure and wrong "
        "costs most. Lower is better.",
    ),
    _term(
        "looks",
        "How many heads were scored on the same test samples. The best of many looks "
        "better than it is.",
    ),
    _term(
        "macro F1",
        "Mean F1 of the classes. F1 is high if most samples of a class are found and few "
        "others are mistaken for it. Small classes count as much as large ones.",
    ),
    _term(
        "margin",
        "Probability of a sample's label minus that of the class it looks like. Look at "
        "the lowest first.",
    ),
    _term(
        "max-T",
        "A comparison with the best that allows for the number of candidates: if all are "
        "equally good, it calls one worse in 5 % of cases at most.",
    ),
    _term(
        "McNemar",
        "A test of two heads on the same samples: is one right where the other is wrong "
        "more often than by chance?",
    ),
    _term(
        "near duplicate",
        "Two samples with almost the same features, such as two photos of one moment.",
        "near duplicates",
    ),
    _term(
        "one standard error",
        "How much a score varies by chance. Candidates less than this behind the best "
        "are about as good; the simplest of them is the cautious choice.",
    ),
    _term(
        "penalty",
        "The cost of large weights in training (ridge: alpha). A higher penalty gives a "
        "more cautious head.",
        "penalties",
    ),
    _term(
        "pooling",
        "How a map or a sequence becomes one vector: |gap is the mean over all places, "
        "|gmp the maximum, |flatten all values.",
        "pooled",
    ),
    _basic(
        "precision",
        "The number format of the computation: float32, or bfloat16 or int8, which are "
        "faster if the processor supports them.",
    ),
    _term(
        "preprocessing",
        "Everything between a file and the network's input: decoding, resizing, scaling of pixels.",
    ),
    _term("R2", "The share of the variance that a head explains. 1 is best."),
    _term(
        "recall",
        "The share of a class's samples that a head finds. Precision is the share that "
        "is right among the samples that it assigns to the class.",
        "F1",
    ),
    _term(
        "resplit", "To deal a dataset's samples to the splits again. Earlier scores become void."
    ),
    _basic("sample", "One picture, text, sound or row of a dataset.", "samples"),
    _basic(
        "seed",
        "The number from which random choices start: the same seed gives the same choices.",
        "seeds",
    ),
    _term("shard", "A file with some rows of a feature set. It is never changed.", "shards"),
    _term(
        "split",
        "train (to fit on), validation (to choose settings by) or test (to measure "
        "with). A sample is in one.",
        "splits",
    ),
    _term("stratified", "Dealt out so that each split gets its share of every class."),
    _term(
        "strength",
        "C, the inverse of the penalty on large weights. A higher strength follows the "
        "training samples more closely, a lower one is more cautious.",
        "strengths",
    ),
    _term(
        "suspicious label",
        "A label that seems improbable to heads which have not seen the sample. Many "
        "such labels are right but rare.",
        "suspicious labels",
        "suspect",
        "suspects",
        "worth a look",
    ),
    _term("tail", "The part of a backbone from a cut to its output."),
    _term(
        "text backbone",
        "A backbone that gives texts features in the space of another's, so that pictures are "
        "found and named by texts. The tag text-backbone of the other names it.",
        "text-backbone",
        "text backbones",
    ),
    _term("trunk", "The part of a backbone from its input to a cut."),
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
        "# Glossary\n\nThe words used in tables, messages and options.\n\n"
        "```console\nheadstart glossary margin      # the same in the terminal\n```\n\n"
        "`-h` explains the words that a command uses."
        f"\n\n{lines}"
    )
