"""Where the page shows what a job gave."""

from __future__ import annotations

from urllib.parse import urlencode

from headstart.registry.jobs import DONE, Job
from headstart.ui.pages import address_of


def place_of(job: Job) -> str | None:
    """The address of what a job gave; None of an extraction, or where it is not done."""
    if job.state != DONE:
        return None
    plan, result, dataset = job.plan, job.result or {}, address_of(job.dataset)
    match job.kind:
        case "rank":
            return f"/rank/{dataset}"
        case "audit":
            return f"/labels/{dataset}?{urlencode({'features': plan['features']})}"
        case "train":
            return f"/heads/{address_of(result['head'])}"
        case "retrain":
            return f"/compare?{urlencode({'a': plan['head'], 'b': result['head']})}"
        case "next":
            of = "held-out" if plan["held_out"] else "unlabelled"
            return f"/labels/{dataset}?{urlencode({'head': plan['head'], 'of': of})}"
        case "curve":
            return f"/heads/{address_of(plan['head'])}"
        case "map":
            asked = {"dataset": job.dataset, "set": plan["key"][:16], "method": plan["method"]}
            return f"/map?{urlencode({**asked, 'seed': plan['seed']})}"
        case _:
            return None


def name_of(job: Job) -> str:
    """What it gave, in words."""
    return (job.result or {}).get("head") or job.subject
